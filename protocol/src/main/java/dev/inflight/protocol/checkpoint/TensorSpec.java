package dev.inflight.protocol.checkpoint;

import java.util.List;

/**
 * One tensor as its checkpoint file declares it.
 *
 * @param name unique in the checkpoint
 * @param dtype element type
 * @param shape extents, outermost first; empty for a scalar
 * @param file index into {@link CheckpointLayout#files()}
 * @param begin first byte, counted from the start of the file
 * @param end one past the last byte, counted from the start of the file
 */
public record TensorSpec(String name, Dtype dtype, List<Long> shape, int file, long begin, long end) {
    public TensorSpec {
        shape = List.copyOf(shape);
    }

    /** Size in bytes; zero for a tensor without elements. */
    public long bytes() {
        return end - begin;
    }

    TensorSpec inFile(int index) {
        return index == file ? this : new TensorSpec(name, dtype, shape, index, begin, end);
    }
}
