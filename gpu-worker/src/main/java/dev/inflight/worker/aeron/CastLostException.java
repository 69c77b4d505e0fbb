package dev.inflight.worker.aeron;

/** A receiver gets nothing more of a cast; what it misses must come another way. */
public final class CastLostException extends Exception {
    private static final long serialVersionUID = 1L;

    CastLostException(String message) {
        super(message);
    }

    public CastLostException(String message, Throwable cause) {
        super(message, cause);
    }
}
