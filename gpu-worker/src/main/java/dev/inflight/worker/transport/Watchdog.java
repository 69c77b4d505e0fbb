package dev.inflight.worker.transport;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/**
 * Ends blocked I/O that makes no progress: blocking channels have no timeouts of their own, but closing one wakes every
 * thread blocked on it.
 *
 * <p>Counts checks instead of reading a clock, so that a process that was stopped for a while does not take its own
 * pause for the peer's silence: it fires at the fifth check in a row, a quarter of the timeout apart, that finds the
 * same call blocked.
 */
final class Watchdog {
    private static final int STRIKES = 4;

    /** Odd while a call is blocked; moves with every call that starts or returns. */
    private final AtomicLong reads = new AtomicLong();

    private final AtomicLong writes = new AtomicLong();
    private final long periodMs;
    private final Duration timeout;
    private final Consumer<String> onSilence;
    private final Thread thread;
    private volatile boolean lingering;

    Watchdog(String name, Duration timeout, Consumer<String> onSilence) {
        this.timeout = timeout;
        this.periodMs = Math.max(1, timeout.toMillis() / STRIKES);
        this.onSilence = onSilence;
        this.thread = Thread.ofVirtual().name("peer-watchdog " + name).unstarted(this::watch);
    }

    void start() {
        thread.start();
    }

    void stop() {
        thread.interrupt();
    }

    void reading() {
        reads.incrementAndGet();
    }

    void writing() {
        writes.incrementAndGet();
    }

    /** From now on progress does not count: fires one timeout from here whatever happens. */
    void linger() {
        lingering = true;
    }

    private void watch() {
        int strikes = 0;
        long seen = 0;
        try {
            while (strikes <= STRIKES) {
                Thread.sleep(periodMs);
                long now = blockedCall();
                boolean stuck = lingering || (now != 0 && now == seen);
                strikes = stuck ? strikes + 1 : 0;
                seen = now;
            }
            onSilence.accept(verdict(seen) + timeout.toMillis() + " ms");
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
        }
    }

    private String verdict(long blockedCall) {
        if (lingering) {
            return "did not close the connection within ";
        }
        return blockedCall > 0 ? "sent nothing for " : "took nothing for ";
    }

    /**
     * Identifies the blocked call, 0 if none. While a read is blocked, writes say nothing about the peer: the kernel
     * takes small ones long after it died.
     */
    private long blockedCall() {
        long read = reads.get();
        if (read % 2 == 1) {
            return read;
        }
        long write = writes.get();
        return write % 2 == 1 ? -write : 0;
    }
}
