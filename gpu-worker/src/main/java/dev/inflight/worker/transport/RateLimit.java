package dev.inflight.worker.transport;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * Bounds how many bytes pass in a second, all takers together, who are let through in the order in which they came.
 * What was not used is not saved up. Thread-safe.
 */
public final class RateLimit {
    private static final Duration FOREVER = Duration.ofNanos(Long.MAX_VALUE);
    private static final double SECOND = TimeUnit.SECONDS.toNanos(1);

    private final LongSupplier nanoTime;
    private long bytesPerSecond;
    private long freeAt;

    /** @param bytesPerSecond 0 for no limit */
    public RateLimit(long bytesPerSecond) {
        this(bytesPerSecond, System::nanoTime);
    }

    /** @param nanoTime the clock, read only where there is a limit */
    RateLimit(long bytesPerSecond, LongSupplier nanoTime) {
        this.bytesPerSecond = bytesPerSecond;
        this.nanoTime = nanoTime;
        this.freeAt = bytesPerSecond == 0 ? 0 : nanoTime.getAsLong();
    }

    public static RateLimit none() {
        return new RateLimit(0);
    }

    /** Is run while a turn is waited for. */
    @FunctionalInterface
    interface Waiting<E extends Exception> {
        void goesOn() throws E;
    }

    /** Takes the next turn and waits for it. */
    public void take(long bytes) throws InterruptedException {
        take(bytes, FOREVER, () -> {});
    }

    /**
     * The same. A turn that is not waited for, since this is interrupted or {@code waiting} fails, is given back.
     *
     * @param waiting run before the wait and, as long as it lasts, after each interval
     */
    <E extends Exception> void take(long bytes, Duration interval, Waiting<E> waiting) throws E, InterruptedException {
        long left = reserve(bytes);
        if (left == 0) {
            return;
        }
        long end = System.nanoTime() + left;
        boolean passed = false;
        try {
            while (left > 0) {
                waiting.goesOn();
                Thread.sleep(Duration.ofNanos(Math.min(left, interval.toNanos())));
                left = end - System.nanoTime();
            }
            passed = true;
        } finally {
            if (!passed) {
                giveBack(bytes);
            }
        }
    }

    /**
     * Takes the next turn.
     *
     * @return how long to wait before the bytes may pass, in nanoseconds; 0 without a limit
     */
    synchronized long reserve(long bytes) {
        if (bytesPerSecond == 0) {
            return 0;
        }
        long now = nanoTime.getAsLong();
        freeAt = Math.max(now, freeAt) + nanos(bytes);
        return freeAt - now;
    }

    /** Those who come next need not wait for a turn that was taken in vain. */
    synchronized void giveBack(long bytes) {
        if (bytesPerSecond > 0) {
            freeAt -= nanos(bytes);
        }
    }

    /** From now on another limit holds; turns that were taken stay as they are, and the next comes behind them. */
    synchronized void change(long newBytesPerSecond) {
        if (newBytesPerSecond != bytesPerSecond) {
            long now = nanoTime.getAsLong();
            double taken = (double) Math.max(0, freeAt - now) * bytesPerSecond;
            freeAt = now + (long) (taken / newBytesPerSecond);
            bytesPerSecond = newBytesPerSecond;
        }
    }

    private long nanos(long bytes) {
        return (long) (bytes / (double) bytesPerSecond * SECOND);
    }
}
