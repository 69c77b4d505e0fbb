package dev.inflight.worker.store;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/**
 * A run of bytes in a shared-memory file that only the host store writes to.
 *
 * @param arena the whole file, mapped
 * @param path the file
 * @param offset first byte in it
 * @param length in bytes
 */
public record ArenaRange(MemorySegment arena, Path path, long offset, long length) {
    public MemorySegment bytes() {
        return arena.asSlice(offset, length);
    }
}
