package dev.inflight.coordinator.ledger;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import dev.inflight.protocol.cluster.Canary;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.VerifyPoint;
import java.time.Instant;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** Something that happened. Entries never change; what holds now follows from all of them in order. */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = LedgerEntry.ReplicasChanged.class, name = "replicas-changed"),
    @JsonSubTypes.Type(value = LedgerEntry.Published.class, name = "published"),
    @JsonSubTypes.Type(value = LedgerEntry.UpdateQueued.class, name = "update-queued"),
    @JsonSubTypes.Type(value = LedgerEntry.OperationStarted.class, name = "operation-started"),
    @JsonSubTypes.Type(value = LedgerEntry.OperationEnded.class, name = "operation-ended"),
    @JsonSubTypes.Type(value = LedgerEntry.CanaryMoved.class, name = "canary-moved"),
    @JsonSubTypes.Type(value = LedgerEntry.VersionDropped.class, name = "version-dropped")
})
@JsonInclude(JsonInclude.Include.NON_NULL)
public sealed interface LedgerEntry {
    /** When, by the clock of the coordinator that wrote it. */
    Instant at();

    /**
     * Replicas of which a majority makes an entry durable from here on. A coordinator's first entry is one.
     *
     * @param replicas their ids
     */
    record ReplicasChanged(Set<String> replicas, Instant at) implements LedgerEntry {
        public ReplicasChanged {
            replicas = new TreeSet<>(replicas);
        }
    }

    /**
     * A version came to be.
     *
     * @param operation the publish; null if the version was found in host stores
     */
    record Published(
            @Nullable String operation,
            CheckpointRef checkpoint,
            @Nullable String requester,
            Instant at) implements LedgerEntry {}

    /**
     * An update waits for its turn: until its operation has started or ended.
     *
     * @param operation as it will start, but later
     * @param strategy as it was asked for
     * @param verify as it was asked for; null for the coordinator's setting
     * @param until when it is given up
     */
    record UpdateQueued(
            OperationStarted operation,
            String strategy,
            @Nullable VerifyPoint verify,
            Instant until,
            Instant at) implements LedgerEntry {
        public String id() {
            return operation.id();
        }
    }

    /**
     * An operation was taken.
     *
     * @param kind {@code publish}, {@code update}, {@code canary}, {@code rollback}, {@code join} or {@code verify}
     * @param to version it is about; null for a verification
     * @param digest the checkpoint's identity; null while it is not known
     * @param requester who asked for it; null if the request did not say
     * @param idempotencyKey what the requester repeats to mean this very operation; null if there is none
     * @param request what was asked for, to tell a repeated request from another with the same key
     * @param mode load mode asked for; null if it was left to the coordinator
     * @param group engines it is for; null for all of the model
     */
    record OperationStarted(
            String id,
            String kind,
            String model,
            @Nullable String to,
            @Nullable String digest,
            @Nullable String requester,
            @Nullable String idempotencyKey,
            @Nullable String request,
            @Nullable String mode,
            @Nullable String strategy,
            @Nullable String group,
            Instant at)
            implements LedgerEntry {
        public OperationStarted withDigest(@Nullable String known) {
            return new OperationStarted(
                    id, kind, model, to, known, requester, idempotencyKey, request, mode, strategy, group, at);
        }

        /** The same, beginning at another time. */
        public OperationStarted startingAt(Instant begun) {
            return new OperationStarted(
                    id, kind, model, to, digest, requester, idempotencyKey, request, mode, strategy, group, begun);
        }

        /** Whether it moves engines because somebody asked for it. */
        public boolean moves() {
            return kind.equals("update") || kind.equals("rollback");
        }

        /** As trainers see it while nobody knows more. */
        public Operation asOperation(String phase) {
            return new Operation(id, kind, OperationReply.State.RUNNING, phase, 0, 0, null, null);
        }
    }

    /**
     * An operation ended.
     *
     * @param operation its beginning, so that this entry can stand alone
     * @param outcome {@code committed}, {@code aborted}, {@code published}, {@code promoted}, {@code reverted},
     *     {@code verified}, {@code differs}, {@code failed}, {@code unknown} or, of one that never began, as
     *     {@link NeverBegan} names it
     * @param succeeded as the operation's state says
     * @param from version the engines had before; null if they had none, or not all the same
     * @param before versions that engines had before
     * @param bytes size of the checkpoint
     * @param mode load mode that was used
     * @param exchange how buckets came from worker to worker
     * @param engines what became of each engine, failed ones first
     * @param meant host, worker or engine ids whose current version is this one from now on; empty for all engines of the
     *     model, null for none, as of an update that was not committed
     * @param phase as the operation's state says
     * @param doneBytes as the operation's state says
     * @param totalBytes as the operation's state says
     * @param reason why it failed, or what was not as it should be
     * @param result as the HTTP API shows it; null if there is none or it is too large to keep
     */
    record OperationEnded(
            OperationStarted operation,
            String outcome,
            boolean succeeded,
            @Nullable String from,
            Set<String> before,
            double seconds,
            long bytes,
            @Nullable String mode,
            @Nullable String exchange,
            List<EngineOutcome> engines,
            @Nullable List<String> meant,
            String phase,
            long doneBytes,
            long totalBytes,
            @Nullable String reason,
            @Nullable String result,
            Instant at)
            implements LedgerEntry {
        /** As trainers see it. */
        public Operation asOperation() {
            return new Operation(
                    operation.id(),
                    operation.kind(),
                    succeeded ? OperationReply.State.SUCCEEDED : OperationReply.State.FAILED,
                    phase,
                    doneBytes,
                    totalBytes,
                    succeeded ? null : reason,
                    result);
        }
    }

    /** How an update ended that waited for its turn and did not begin. */
    enum NeverBegan {
        /** Somebody called it off. */
        CANCELLED,
        /** It waited as long as it was to. */
        EXPIRED,
        /** When its turn came it could not be done. */
        REFUSED;

        /** As phases and outcomes name it. */
        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }

        /** Whether an outcome is one of these. */
        public static boolean is(String outcome) {
            return Arrays.stream(values()).anyMatch(end -> end.label().equals(outcome));
        }
    }

    /** @param stallMs time it could not serve; null if unknown */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    record EngineOutcome(
            @Nullable String engine,
            String worker,
            String outcome,
            @Nullable Double stallMs) {}

    /**
     * A canary came to a phase, or somebody decided what becomes of it. With it a later coordinator goes on.
     *
     * @param operation the canary
     * @param canary what was asked for
     * @param workers whose engines try the version
     * @param pids processes of these engines, by worker, once they have it
     * @param from version to go back to
     * @param holdSince when they had it; null before
     * @param detectedBy what decided; null while nothing has
     * @param reason why it is reverted; null unless it is
     */
    record CanaryMoved(
            String operation,
            Canary canary,
            CanaryPhase phase,
            SortedSet<String> workers,
            SortedMap<String, Long> pids,
            String from,
            @Nullable Instant holdSince,
            @Nullable String detectedBy,
            @Nullable String reason,
            Instant at)
            implements LedgerEntry {
        public CanaryMoved {
            workers = Collections.unmodifiableSortedSet(new TreeSet<>(workers));
            pids = Collections.unmodifiableSortedMap(new TreeMap<>(pids));
        }
    }

    /** What is done with a canary. */
    enum CanaryPhase {
        /** The chosen engines get the version. */
        UPDATING,
        /** They serve it and are watched. */
        HOLDING,
        /** The others get it. */
        PROMOTING,
        /** The chosen engines get back what they had. */
        REVERTING;

        /** As operations name it. */
        public String label() {
            return this == UPDATING ? "canary-updating" : name().toLowerCase(Locale.ROOT);
        }
    }

    /** A version is no longer kept in the host stores. */
    record VersionDropped(String model, String version, String digest, String reason, Instant at)
            implements LedgerEntry {}
}
