package dev.inflight.worker.update;

import org.jspecify.annotations.Nullable;

/** Why an update can not go on here. Ends the session; the coordinator hears the message. */
public final class UpdateException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final @Nullable String suspect;

    /** @param suspect the peer or engine to blame, null if it is this worker */
    public UpdateException(String message, @Nullable String suspect) {
        super(message);
        this.suspect = suspect;
    }

    public UpdateException(String message, @Nullable String suspect, Throwable cause) {
        super(message, cause);
        this.suspect = suspect;
    }

    public @Nullable String suspect() {
        return suspect;
    }
}
