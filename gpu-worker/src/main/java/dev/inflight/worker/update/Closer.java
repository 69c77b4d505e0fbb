package dev.inflight.worker.update;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Collects what must be given back and gives it back once, the last taken first. What is added after that is given back
 * at once, so that a step that still runs while its update ends leaks nothing. Thread-safe.
 */
final class Closer implements AutoCloseable {
    private final Deque<Runnable> taken = new ArrayDeque<>();
    private boolean closed;

    void add(Runnable giveBack) {
        synchronized (this) {
            if (!closed) {
                taken.push(giveBack);
                return;
            }
        }
        giveBack.run();
    }

    @Override
    public void close() {
        Deque<Runnable> rest;
        synchronized (this) {
            closed = true;
            rest = new ArrayDeque<>(taken);
            taken.clear();
        }
        rest.forEach(Runnable::run);
    }
}
