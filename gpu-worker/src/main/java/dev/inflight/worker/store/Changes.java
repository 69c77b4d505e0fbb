package dev.inflight.worker.store;

import java.util.concurrent.TimeUnit;

/** Lets threads wait until something has changed. Thread-safe. */
final class Changes {
    private long count;

    /** How many there have been; to be read before looking at what may change. */
    synchronized long seen() {
        return count;
    }

    synchronized void happened() {
        count++;
        notifyAll();
    }

    /** Waits for a change after {@code seen}, no longer than {@code nanos}. */
    synchronized void await(long seen, long nanos) throws InterruptedException {
        long deadline = System.nanoTime() + nanos;
        long left = nanos;
        while (count == seen && left > 0) {
            TimeUnit.NANOSECONDS.timedWait(this, left);
            left = deadline - System.nanoTime();
        }
    }
}
