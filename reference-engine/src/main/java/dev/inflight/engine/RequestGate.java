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
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private State state = State.CLOSED;
    private int running;

    /** @param pauseTimeoutMs how long a request waits for a paused engine, milliseconds */
    RequestGate(long pauseTimeoutMs) {
        this.pauseTimeoutNs = TimeUnit.MILLISECONDS.toNanos(pauseTimeoutMs);
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

    /** Makes new requests wait and returns when the running ones have finished. */
    void pause() {
        lock.lock();
        try {
            state = State.PAUSED;
            while (running > 0) {
                changed.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
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
