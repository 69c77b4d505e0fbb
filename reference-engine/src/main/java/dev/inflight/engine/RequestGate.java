package dev.inflight.engine;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Lets requests run, or makes them wait while weights change. Closed at first: an engine that never had weights turns
 * requests away at once. Thread-safe.
 */
final class RequestGate {
    /** The right to read the live weights; closing it gives it back. */
    interface Pass extends AutoCloseable {
        @Override
        void close();
    }

    /** The engine could not serve in time, or at all. */
    static final class ClosedException extends Exception {
        ClosedException(String message) {
            super(message, null, false, false);
        }
    }

    private enum State {
        CLOSED,
        OPEN,
        PAUSED
    }

    private final long pauseTimeoutNs;
    private final long drainTimeoutNs;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private State state = State.CLOSED;
    private int running;

    /**
     * @param pauseTimeoutMs how long a request waits for a paused engine, milliseconds
     * @param drainTimeoutMs how long a pause waits for running requests, milliseconds
     */
    RequestGate(long pauseTimeoutMs, long drainTimeoutMs) {
        this.pauseTimeoutNs = TimeUnit.MILLISECONDS.toNanos(pauseTimeoutMs);
        this.drainTimeoutNs = TimeUnit.MILLISECONDS.toNanos(drainTimeoutMs);
    }

    /** Lets a request in, after a wait if the gate is paused. */
    Pass enter() throws ClosedException, InterruptedException {
        lock.lockInterruptibly();
        try {
            long left = pauseTimeoutNs;
            while (state == State.PAUSED && left > 0) {
                left = changed.awaitNanos(left);
            }
            switch (state) {
                case OPEN -> running++;
                case CLOSED -> throw new ClosedException("this engine has no weights yet");
                case PAUSED ->
                    throw new ClosedException("paused for new weights for longer than %d ms"
                            .formatted(TimeUnit.NANOSECONDS.toMillis(pauseTimeoutNs)));
            }
        } finally {
            lock.unlock();
        }
        return this::leave;
    }

    /**
     * Makes new requests wait and returns when the running ones have finished.
     *
     * @throws Refusal if they need longer than the drain timeout; the gate is then as it was before
     */
    void pause() throws Refusal {
        lock.lock();
        try {
            State before = state;
            state = State.PAUSED;
            if (!drained()) {
                state = before;
                changed.signalAll();
                throw new Refusal(
                        "%d requests are still running after %d ms; try again later or raise --drain-timeout-ms",
                        running, TimeUnit.NANOSECONDS.toMillis(drainTimeoutNs));
            }
        } finally {
            lock.unlock();
        }
    }

    // Not interruptible: half a pause is no state to leave the gate in.
    private boolean drained() {
        boolean interrupted = false;
        long deadlineNs = System.nanoTime() + drainTimeoutNs;
        long leftNs = drainTimeoutNs;
        while (running > 0 && leftNs > 0) {
            try {
                leftNs = changed.awaitNanos(leftNs);
            } catch (InterruptedException e) {
                interrupted = true;
                leftNs = deadlineNs - System.nanoTime();
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return running == 0;
    }

    /** Lets requests run again. */
    void resume() {
        lock.lock();
        try {
            state = State.OPEN;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    private void leave() {
        lock.lock();
        try {
            running--;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }
}
