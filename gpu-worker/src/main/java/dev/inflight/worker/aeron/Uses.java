package dev.inflight.worker.aeron;

import java.time.Duration;

/** Calls that are inside Aeron's mapped files, which must not be unmapped under them. Thread-safe. */
final class Uses {
    private int running;
    private volatile boolean ending;

    /** Of a call; its end is {@link #exit}, which must come soon once {@link #isEnding}. */
    synchronized boolean enter() {
        if (ending) {
            return false;
        }
        running++;
        return true;
    }

    synchronized void exit() {
        running--;
        notifyAll();
    }

    boolean isEnding() {
        return ending;
    }

    /**
     * Lets no further call in, and waits for those that are running.
     *
     * @param longest a call that takes longer is not waited for any more
     */
    synchronized void end(Duration longest) {
        ending = true;
        boolean interrupted = false;
        long deadline = System.nanoTime() + longest.toNanos();
        while (running > 0 && deadline - System.nanoTime() > 0) {
            try {
                wait(Math.max(1, Duration.ofNanos(deadline - System.nanoTime()).toMillis()));
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
