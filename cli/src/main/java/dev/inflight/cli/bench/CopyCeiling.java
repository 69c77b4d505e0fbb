package dev.inflight.cli.bench;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * The most this machine can move: two threads copying memory that has been touched before. An update that only copied
 * every byte once would reach it.
 */
public final class CopyCeiling {
    private static final int THREADS = 2;
    private static final int ROUNDS = 7;
    /** Far beyond the caches, small beside the checkpoints. */
    private static final long BYTES_PER_THREAD = 256L << 20;

    private CopyCeiling() {}

    /** Copies for about a second and returns the median of the rounds in 10^9 bytes per second. */
    public static double measureGBps() throws InterruptedException {
        try (ExecutorService threads = Executors.newFixedThreadPool(THREADS);
                Arena arena = Arena.ofShared()) {
            List<Callable<Void>> copies = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                MemorySegment from = arena.allocate(BYTES_PER_THREAD, 4096).fill((byte) (i + 1));
                MemorySegment to = arena.allocate(BYTES_PER_THREAD, 4096).fill((byte) 0);
                copies.add(() -> {
                    to.copyFrom(from);
                    return null;
                });
            }
            double[] rates = new double[ROUNDS];
            for (int round = 0; round < ROUNDS; round++) {
                long begin = System.nanoTime();
                await(threads.invokeAll(copies));
                rates[round] = THREADS * (double) BYTES_PER_THREAD / (System.nanoTime() - begin);
            }
            Arrays.sort(rates);
            return rates[ROUNDS / 2];
        }
    }

    private static void await(List<Future<Void>> copies) throws InterruptedException {
        for (Future<Void> copy : copies) {
            try {
                copy.get();
            } catch (ExecutionException e) {
                throw new IllegalStateException("a memory copy failed", e.getCause());
            }
        }
    }
}
