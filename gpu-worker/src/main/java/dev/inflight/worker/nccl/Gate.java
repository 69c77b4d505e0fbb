package dev.inflight.worker.nccl;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Lets one call at a time use a communicator, since NCCL promises thread safety only between communicators, and keeps
 * it from being freed under that call.
 */
final class Gate {
    /**
     * Calls of a non-blocking communicator last microseconds. One that is longer inside waits for a kernel that only an
     * abort ends, when the GPU's launch queue is full for example; then aborting under it is all that helps.
     */
    private static final long PATIENCE_MS = 500;

    private final ReentrantLock lock = new ReentrantLock();

    void enter() {
        lock.lock();
    }

    /** Whether no other call was inside; the caller then leaves again. */
    boolean tryEnter() {
        return lock.tryLock();
    }

    void leave() {
        lock.unlock();
    }

    /**
     * Returns when the call that was inside has left, or is stuck. Calls that enter later see whatever the caller wrote
     * before.
     */
    void awaitEmpty() {
        boolean interrupted = false;
        boolean waiting = true;
        while (waiting) {
            try {
                if (lock.tryLock(PATIENCE_MS, TimeUnit.MILLISECONDS)) {
                    lock.unlock();
                }
                waiting = false;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
