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

    /** The way of some rows of equal length, at equal distances where they come from and neighbours where they go. */
    record Copy(
            MemorySegment from, long fromOffset, long stride, MemorySegment to, long toOffset, long length, long rows) {
        long bytes() {
            return length * rows;
        }

        void run() {
            for (long row = 0; row < rows; row++) {
                MemorySegment.copy(from, fromOffset + row * stride, to, toOffset + row * length, length);
            }
        }

        /** At most the first {@code count} bytes: of several rows only whole ones. */
        Copy first(long count) {
            return rows == 1
                    ? new Copy(from, fromOffset, stride, to, toOffset, count, 1)
                    : new Copy(from, fromOffset, stride, to, toOffset, length, count / length);
        }

        /** All but {@link #first}. */
        Copy without(long count) {
            long skipped = count / length;
            return rows == 1
                    ? new Copy(from, fromOffset + count, stride, to, toOffset + count, length - count, 1)
                    : new Copy(
                            from,
                            fromOffset + skipped * stride,
                            stride,
                            to,
                            toOffset + skipped * length,
                            length,
                            rows - skipped);
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
