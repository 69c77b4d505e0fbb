package dev.inflight.worker.link;

/** An engine refused a message, its connection was lost, or the link could not be opened. */
public final class EngineLinkException extends RuntimeException {
    /** What happened, for those who must act differently on it. */
    public enum Kind {
        /** The engine answered {@code failed}; the connection goes on. */
        REFUSED,
        /** The connection is gone; whether the engine carried the message out is unknown. */
        DISCONNECTED,
        /** The message was not sent: too long, or too many wait for an answer; the connection goes on. */
        NOT_SENT,
        /** The socket could not be opened. */
        NOT_LISTENING
    }

    private final Kind kind;

    EngineLinkException(Kind kind, String message) {
        super(message);
        this.kind = kind;
    }

    EngineLinkException(Kind kind, String message, Throwable cause) {
        super(message, cause);
        this.kind = kind;
    }

    public Kind kind() {
        return kind;
    }
}
