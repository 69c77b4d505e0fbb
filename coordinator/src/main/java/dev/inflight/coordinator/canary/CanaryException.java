package dev.inflight.coordinator.canary;

/** A canary was asked for in a way that makes no sense or is not allowed; the message names the field. */
public final class CanaryException extends RuntimeException {
    private static final long serialVersionUID = 1;

    CanaryException(String message) {
        super(message);
    }
}
