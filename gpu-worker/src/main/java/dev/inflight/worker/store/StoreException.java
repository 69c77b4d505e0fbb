package dev.inflight.worker.store;

import org.jspecify.annotations.Nullable;

/** The store can not do what was asked; the message says why and nothing changed. */
public final class StoreException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    StoreException(String message) {
        super(message);
    }

    StoreException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
