package dev.inflight.cli.client;

import org.jspecify.annotations.Nullable;

/** The coordinator answered, and said no. The message is the coordinator's own. */
public final class CoordinatorRefusedException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final int status;
    private final @Nullable String limit;
    private final @Nullable String retryAt;

    CoordinatorRefusedException(int status, String message, @Nullable String limit, @Nullable String retryAt) {
        super(message);
        this.status = status;
        this.limit = limit;
        this.retryAt = retryAt;
    }

    /** HTTP status of the refusal. */
    public int status() {
        return status;
    }

    /** The setting that the request was beyond; null if it was refused for something else. */
    public @Nullable String limit() {
        return limit;
    }

    /** When it would be taken, ISO 8601; null if nobody can tell. */
    public @Nullable String retryAt() {
        return retryAt;
    }
}
