package dev.inflight.worker.transport;

import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * Bounds how many bytes pass in a second, all takers together, who are let through in the order in which they came.
 * What was not used is not saved up. Thread-safe.
 */
public final class RateLimit {
    private final long bytesPerSecond;
    private long freeAt = System.nanoTime();

    /** @param bytesPerSecond 0 for no limit */
    public RateLimit(long bytesPerSecond) {
        this.bytesPerSecond = bytesPerSecond;
    }

    public static RateLimit none() {
        return new RateLimit(0);
    }

    /** Waits for the taker's turn. */
    public void take(long bytes) throws InterruptedException {
        if (bytesPerSecond > 0) {
            Thread.sleep(Duration.ofNanos(reserve(bytes)));
        }
    }

    /** @return how long to wait, in nanoseconds */
    private synchronized long reserve(long bytes) {
        long now = System.nanoTime();
        long turn = Math.max(now, freeAt);
        freeAt = turn + (long) ((double) bytes / bytesPerSecond * TimeUnit.SECONDS.toNanos(1));
        return freeAt - now;
    }
}
