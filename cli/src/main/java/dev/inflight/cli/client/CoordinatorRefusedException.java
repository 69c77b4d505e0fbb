package dev.inflight.cli.client;

/** The coordinator answered, and said no. The message is the coordinator's own. */
public final class CoordinatorRefusedException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final int status;

    public CoordinatorRefusedException(int status, String message) {
        super(message);
        this.status = status;
    }

    /** HTTP status of the refusal. */
    public int status() {
        return status;
    }
}
