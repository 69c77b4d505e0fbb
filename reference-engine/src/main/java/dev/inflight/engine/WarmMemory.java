package dev.inflight.engine;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Memory for the first parameters, touched before anybody knows which: an engine that has no weights yet knows no
 * layout, either, and untouched memory is filled at a tenth of the speed of touched. For the link's thread.
 */
final class WarmMemory {
    private final MemorySegment memory;
    private long taken;

    private WarmMemory(MemorySegment memory) {
        this.memory = memory;
    }

    /**
     * Allocates and touches it.
     *
     * @param bytes may be 0
     * @throws OutOfMemoryError if it does not fit
     */
    static WarmMemory touch(long bytes) {
        // Allocating clears it.
        return new WarmMemory(Arena.global().allocate(bytes, ParameterSet.ALIGNMENT));
    }

    /** So many bytes that nobody else has, not cleared; null if there are not as many left. */
    @Nullable
    MemorySegment take(long bytes) {
        long begin = Math.ceilDiv(taken, ParameterSet.ALIGNMENT) * ParameterSet.ALIGNMENT;
        if (bytes > memory.byteSize() - begin) {
            return null;
        }
        taken = begin + bytes;
        return memory.asSlice(begin, bytes);
    }

    /** Takes everything back. */
    void reset() {
        taken = 0;
    }
}
