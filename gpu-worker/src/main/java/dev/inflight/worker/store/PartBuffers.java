package dev.inflight.worker.store;

import dev.inflight.protocol.plan.ShardParts;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * Memory outside the heap in which parts that lie in several pieces are put together, each as large as the largest part.
 * There are as many as parts were given at a time, and they are kept: fresh ones cost more than what is copied into
 * them. Thread-safe.
 */
final class PartBuffers {
    private final Queue<MemorySegment> idle = new ConcurrentLinkedQueue<>();

    MemorySegment take() {
        var kept = idle.poll();
        return kept == null ? Arena.ofAuto().allocate(ShardParts.MOST_BYTES, Long.BYTES) : kept;
    }

    /** Nobody reads it any more. */
    void give(MemorySegment buffer) {
        idle.add(buffer);
    }
}
