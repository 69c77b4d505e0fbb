package dev.inflight.worker.store;

/** Bytes are not those that were published; the message names host, file, tensor and position. */
public final class CorruptBlockException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    CorruptBlockException(String message) {
        super(message);
    }
}
