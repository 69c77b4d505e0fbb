package dev.inflight.protocol.cluster;

import java.time.Instant;
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
     * @param turn of an update that waits for its turn; else null
     */
    record Operation(
            String id,
            String kind,
            State state,
            String phase,
            long doneBytes,
            long totalBytes,
            @Nullable String error,
            @Nullable String resultJson,
            @Nullable Turn turn)
            implements OperationReply {
        /** Of one that does not wait for its turn. */
        public Operation(
                String id,
                String kind,
                State state,
                String phase,
                long doneBytes,
                long totalBytes,
                @Nullable String error,
                @Nullable String resultJson) {
            this(id, kind, state, phase, doneBytes, totalBytes, error, resultJson, null);
        }
    }

    /**
     * The place of an update that waits.
     *
     * @param position 1 if no other update of the model came before
     * @param reason what it waits for
     * @param expectedAt when it will begin if all before it take as long as usual; null if nobody can tell
     * @param until when it is given up
     */
    record Turn(int position, String reason, @Nullable Instant expectedAt, Instant until) {}

    /**
     * The request was not taken; nothing changed.
     *
     * @param limit the setting that it was beyond; null if it was refused for something else
     * @param retryAt when it would be taken, or probably; null if nobody can tell or it would never be
     */
    record Refused(
            Code code,
            String message,
            @Nullable String limit,
            @Nullable Instant retryAt) implements OperationReply, LeaseReply {
        public enum Code {
            INVALID,
            NOT_FOUND,
            CONFLICT,
            UNAVAILABLE,
            LIMITED
        }

        public Refused(Code code, String message) {
            this(code, message, null, null);
        }
    }

    enum State {
        RUNNING,
        SUCCEEDED,
        FAILED
    }
}
