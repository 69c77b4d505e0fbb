package dev.inflight.cli.demo;

/** A process of the local fleet did not start, or ended when it should not have. The message says which and why. */
public final class FleetException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public FleetException(String message) {
        super(message);
    }

    public FleetException(String message, Throwable cause) {
        super(message, cause);
    }
}
