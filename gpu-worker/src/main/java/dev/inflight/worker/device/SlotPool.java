package dev.inflight.worker.device;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.LongFunction;
import java.util.function.ToLongFunction;

/**
 * Memory of closed rings, kept for the next ones. Thread-safe.
 *
 * @param <M> the memory
 */
final class SlotPool<M> {
    private final LongFunction<M> allocate;
    private final ToLongFunction<M> size;
    private final Consumer<M> free;
    private final List<M> idle = new ArrayList<>();
    private boolean closed;
    private int out;

    SlotPool(LongFunction<M> allocate, ToLongFunction<M> size, Consumer<M> free) {
        this.allocate = allocate;
        this.size = size;
        this.free = free;
    }

    /** Memory of at least that many bytes: idle memory if some fits, otherwise all idle memory makes way for new. */
    synchronized M take(long bytes) {
        var taken = takeIdle(bytes);
        out++;
        return taken;
    }

    private M takeIdle(long bytes) {
        for (var memory : idle) {
            if (size.applyAsLong(memory) >= bytes) {
                idle.remove(memory);
                return memory;
            }
        }
        idle.forEach(free);
        idle.clear();
        return allocate.apply(bytes);
    }

    /** What a ring does when it is closed or discarded. */
    SlotRing.Lease lease(M memory) {
        return new SlotRing.Lease() {
            @Override
            public void giveBack() {
                give(memory);
            }

            @Override
            public void drop() {
                discard(memory);
            }
        };
    }

    private synchronized void give(M memory) {
        out--;
        if (closed) {
            free.accept(memory);
        } else {
            idle.add(memory);
        }
    }

    private synchronized void discard(M memory) {
        out--;
        free.accept(memory);
    }

    synchronized int out() {
        return out;
    }

    synchronized long idleBytes() {
        return idle.stream().mapToLong(size).sum();
    }

    synchronized void close() {
        closed = true;
        idle.forEach(free);
        idle.clear();
    }
}
