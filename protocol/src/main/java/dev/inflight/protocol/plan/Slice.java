package dev.inflight.protocol.plan;

/**
 * A byte range of one tensor; the whole tensor unless it was split.
 *
 * @param tensor index into the layout's tensors
 * @param begin first byte, counted from the tensor's own start
 * @param end one past the last byte
 */
public record Slice(int tensor, long begin, long end) {
    /** Size in bytes. */
    public long bytes() {
        return end - begin;
    }
}
