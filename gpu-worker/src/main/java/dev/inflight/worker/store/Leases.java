package dev.inflight.worker.store;

import org.jspecify.annotations.Nullable;

/** Keeps memory from being freed while somebody reads it. Thread-safe. */
final class Leases {
    private int out;
    private boolean retired;
    private @Nullable Runnable atLast;

    /** @return false if the memory is not to be read any more */
    synchronized boolean take() {
        if (!retired) {
            out++;
        }
        return !retired;
    }

    synchronized boolean areOut() {
        return out > 0;
    }

    void giveBack() {
        Runnable free;
        synchronized (this) {
            out--;
            free = out == 0 ? atLast : null;
        }
        if (free != null) {
            free.run();
        }
    }

    /** Gives no more leases, and frees the memory once the last one is back. Retiring again does nothing. */
    void retire(Runnable free) {
        synchronized (this) {
            if (retired) {
                return;
            }
            retired = true;
            if (out > 0) {
                atLast = free;
                return;
            }
        }
        free.run();
    }
}
