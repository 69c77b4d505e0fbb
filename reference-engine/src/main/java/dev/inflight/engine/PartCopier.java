package dev.inflight.engine;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Copies parts out of slots. One core does not saturate memory, so what is large is shared with a second thread:
 * 19 GB/s instead of 10. Not on machines with two cores or less: worker and other engines have a use for the other one,
 * and each hand-over would wait for it. For one thread.
 */
final class PartCopier {
    /** Below this, handing half of it over costs more than it saves. */
    private static final long MIN_SHARED_BYTES = 4 << 20;

    private final ExecutorService second;

    /** One part's way. */
    record Copy(MemorySegment from, long fromOffset, MemorySegment to, long toOffset, long bytes) {
        void run() {
            MemorySegment.copy(from, fromOffset, to, toOffset, bytes);
        }

        Copy first(long count) {
            return new Copy(from, fromOffset, to, toOffset, count);
        }

        Copy without(long count) {
            return new Copy(from, fromOffset + count, to, toOffset + count, bytes - count);
        }
    }

    PartCopier() {
        second = Executors.newSingleThreadExecutor(
                Thread.ofPlatform().daemon().name("engine-copy").factory());
    }

    /** Returns when every byte is copied. */
    void copy(List<Copy> copies) {
        long total = copies.stream().mapToLong(Copy::bytes).sum();
        if (total < MIN_SHARED_BYTES || Runtime.getRuntime().availableProcessors() <= 2) {
            copies.forEach(Copy::run);
            return;
        }
        List<Copy> mine = new ArrayList<>();
        List<Copy> theirs = new ArrayList<>();
        long left = total / 2;
        for (Copy copy : copies) {
            long count = Math.min(left, copy.bytes());
            mine.add(copy.first(count));
            theirs.add(copy.without(count));
            left -= count;
        }
        Future<?> others = second.submit(() -> theirs.forEach(Copy::run));
        mine.forEach(Copy::run);
        await(others);
    }

    // Not interruptible: slots must not be unmapped, nor acknowledged, while a copy runs.
    private static void await(Future<?> copying) {
        boolean interrupted = false;
        while (copying.state() == Future.State.RUNNING) {
            try {
                copying.get();
            } catch (InterruptedException e) {
                interrupted = true;
            } catch (ExecutionException e) {
                break;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (copying.state() == Future.State.FAILED) {
            throw new IllegalStateException("copying failed", copying.exceptionNow());
        }
    }
}
