package dev.inflight.worker.cuda;

import java.util.Objects;

/**
 * Bytes of a buffer.
 *
 * @param offset where in the buffer they begin, in bytes
 * @param length in bytes; 0 is fine
 */
public record DeviceRange(DeviceBuffer buffer, long offset, int length) {
    public DeviceRange {
        Objects.checkFromIndexSize(offset, length, buffer.bytes());
    }

    /** The address of the first byte, in the GPU's address space; the buffer must be open. */
    long address() {
        buffer.at(offset, length);
        return buffer.address() + offset;
    }
}
