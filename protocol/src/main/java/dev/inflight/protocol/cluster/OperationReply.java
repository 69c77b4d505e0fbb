package dev.inflight.protocol.cluster;

import org.jspecify.annotations.Nullable;

/** Answer to a {@link TrainerCommand}. */
public sealed interface OperationReply extends Wire {
    /**
     * State of an operation.
     *
     * @param kind {@code publish}, {@code update}, {@code canary}, {@code rollback}, {@code join} or {@code verify}
     * @param phase the step it is in, in the terms of docs/ARCHITECTURE.md
     * @param doneBytes progress
     * @param totalBytes what {@code doneBytes} grows to; 0 while unknown
     * @param error why it failed, if it did
     * @param resultJson the result as a JSON object once it ended, as the HTTP API shows it
     */
    record Operation(
            String id,
            String kind,
            State state,
            String phase,
            long doneBytes,
            long totalBytes,
            @Nullable String error,
            @Nullable String resultJson)
            implements OperationReply {}

    /** The request was not taken; nothing changed. */
    record Refused(Code code, String message) implements OperationReply, LeaseReply {
        public enum Code {
            INVALID,
            NOT_FOUND,
            CONFLICT,
            UNAVAILABLE
        }
    }

    enum State {
        RUNNING,
        SUCCEEDED,
        FAILED
    }
}
