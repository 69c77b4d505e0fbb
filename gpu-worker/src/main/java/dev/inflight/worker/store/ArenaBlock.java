package dev.inflight.worker.store;

import dev.inflight.worker.device.SharedMemory;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/**
 * Memory for one shard: all of a shared-memory file, or a run of one.
 *
 * @param file the file, which stays open for as long as the block is out
 * @param base the block's first byte in it
 * @param bytes length of the block
 */
record ArenaBlock(SharedMemory file, long base, long bytes) {
    MemorySegment segment() {
        return file.segment().asSlice(base, bytes);
    }

    /** Makes a range of it present that may not be, as {@link SharedMemory#touch}. */
    void touch(long offset, long length) {
        file.touch(base + offset, length);
    }

    /** Memory that is really there. */
    long spentBytes() {
        return Math.min(bytes, file.touchedBytes());
    }

    Path path() {
        return file.path();
    }
}
