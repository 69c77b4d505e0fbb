package dev.inflight.worker.transport;

/** A payload that is not what its op says; the message completes "a READY frame is malformed: ...". */
final class MalformedPayloadException extends Exception {
    private static final long serialVersionUID = 1L;

    MalformedPayloadException(String message) {
        super(message);
    }
}
