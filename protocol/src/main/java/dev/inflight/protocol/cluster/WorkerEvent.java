package dev.inflight.protocol.cluster;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What a GPU worker tells the coordinator. */
public sealed interface WorkerEvent extends Wire {
    /** The reporting worker's id. */
    String worker();

    /**
     * @param host name of the worker's host
     * @param device what it moves bytes with, such as {@code host} or a GPU UUID
     * @param slotBudgetBytes memory it can give to slots
     * @param nccl version of the NCCL it can broadcast with, as in {@code NCCL_VERSION_CODE}; null if it has none
     * @param highestEpoch highest epoch it has seen
     * @param session the update it is part of, if any
     * @param engine its engine, if one is attached
     * @param labels by which its engine can be selected
     */
    record WorkerState(
            String worker,
            String host,
            String device,
            long slotBudgetBytes,
            @Nullable Integer nccl,
            long highestEpoch,
            @Nullable Session session,
            @Nullable EngineStatus engine,
            Map<String, String> labels)
            implements WorkerEvent {
        public WorkerState {
            labels = labels == null ? Map.of() : Map.copyOf(labels);
        }

        /** Without labels. */
        public WorkerState(
                String worker,
                String host,
                String device,
                long slotBudgetBytes,
                @Nullable Integer nccl,
                long highestEpoch,
                @Nullable Session session,
                @Nullable EngineStatus engine) {
            this(worker, host, device, slotBudgetBytes, nccl, highestEpoch, session, engine, Map.of());
        }
    }

    /**
     * An unfinished or just committed update on a worker.
     *
     * @param members how many workers take part in it
     * @param from version the engine had before; null if it had none or there is no engine
     */
    record Session(
            long epoch,
            String updateId,
            int members,
            Phase phase,
            @Nullable String from) {
        public enum Phase {
            PREPARED,
            BEGUN,
            STREAMING,
            STAGED,
            /** The worker took it back of its own accord, and no coordinator has settled it yet. */
            GIVEN_UP,
            /** The commit was ordered and not confirmed by the engine yet. */
            COMMITTING,
            COMMITTED
        }
    }

    record Prepared(String worker, long epoch, String planDigest) implements WorkerEvent {}

    record PrepareRefused(String worker, long epoch, String message) implements WorkerEvent {}

    record Begun(String worker, long epoch) implements WorkerEvent {}

    /** @param checkedBytes of what the engine has loaded, how much was compared in it with what was published */
    record Progress(String worker, long epoch, long loadedBytes, long checkedBytes) implements WorkerEvent {
        /** While nothing is compared in the engine. */
        public Progress(String worker, long epoch, long loadedBytes) {
            this(worker, epoch, loadedBytes, 0);
        }
    }

    /** Sources have this worker wait for its turn under a limit of bandwidth: that nothing moves meanwhile is no stall. */
    record HeldUp(String worker, long epoch) implements WorkerEvent {}

    /** Every bucket is in the engine and verified where {@link WorkerCommand.Prepare#verify} says. */
    record Staged(String worker, long epoch, StageReport report) implements WorkerEvent {}

    /** @param suspect the worker or host whose loss caused it, if another's */
    record Failed(
            String worker,
            long epoch,
            String reason,
            @Nullable String suspect) implements WorkerEvent {}

    /**
     * A worker that takes this one's buckets, and without whom the update can go on, is out of touch. This one goes on,
     * and waits for {@link WorkerCommand.Drop} or {@link WorkerCommand.Abort}.
     */
    record ConsumerLost(String worker, long epoch, String consumer, String reason) implements WorkerEvent {}

    /**
     * This worker can take nothing more from an owner without whom the update can go on, nor reads anything where that
     * owner has it. It goes on with what others give, and waits for {@link WorkerCommand.Repair} or
     * {@link WorkerCommand.Abort}.
     */
    record OwnerLost(String worker, long epoch, String owner, String reason) implements WorkerEvent {}

    /** @param stallMicros time the engine could not serve during the update */
    record Committed(String worker, long epoch, long stallMicros) implements WorkerEvent {}

    record Aborted(String worker, long epoch, @Nullable EngineStatus engine) implements WorkerEvent {}

    /**
     * @param version version the engine says it serves
     * @param tensors tensors compared
     * @param mismatched names of the first tensors that differ or are missing, 20 at most
     * @param mismatches how many differ or are missing
     * @param error why the comparison could not be made, if so
     * @param files the checkpoint's files that those in {@code mismatched} are in
     */
    record Verified(
            String worker,
            String verifyId,
            @Nullable String engine,
            @Nullable String version,
            long tensors,
            List<String> mismatched,
            long mismatches,
            @Nullable String error,
            List<String> files)
            implements WorkerEvent {
        public Verified {
            mismatched = List.copyOf(mismatched);
            files = List.copyOf(files);
        }

        /** Without files, where nothing differs. */
        public Verified(
                String worker,
                String verifyId,
                @Nullable String engine,
                @Nullable String version,
                long tensors,
                List<String> mismatched,
                long mismatches,
                @Nullable String error) {
            this(worker, verifyId, engine, version, tensors, mismatched, mismatches, error, List.of());
        }
    }

    /**
     * Busy time of each stage on one worker in microseconds.
     *
     * @param landedBytes bytes that came over a socket into this worker's landing slots
     * @param taken what a join brought to the host; its fields stand among the others on the wire
     * @param engineVerifyMicros time in which the engine's copy was compared with what was published, after the stream
     * @param damage blocks that were damaged and mended, {@value #MOST_DAMAGE} at most
     */
    record StageReport(
            long h2dMicros,
            long verifyMicros,
            long transferMicros,
            long reloadMicros,
            long streamMicros,
            long loadedBytes,
            long landedBytes,
            @JsonUnwrapped Taken taken,
            long engineVerifyMicros,
            List<Damage> damage) {
        /** One bad module of memory can damage many blocks; the message stays small. */
        public static final int MOST_DAMAGE = 20;

        public StageReport {
            damage = List.copyOf(damage);
        }

        /** Of a worker whose host took nothing, and that found nothing damaged. */
        public StageReport(
                long h2dMicros,
                long verifyMicros,
                long transferMicros,
                long reloadMicros,
                long streamMicros,
                long loadedBytes,
                long landedBytes) {
            this(
                    h2dMicros,
                    verifyMicros,
                    transferMicros,
                    reloadMicros,
                    streamMicros,
                    loadedBytes,
                    landedBytes,
                    Taken.NOTHING,
                    0,
                    List.of());
        }

        /** The same after the engine's copy was compared. */
        public StageReport verifiedInEngine(long micros) {
            return new StageReport(
                    h2dMicros,
                    verifyMicros,
                    transferMicros,
                    reloadMicros,
                    streamMicros,
                    loadedBytes,
                    landedBytes,
                    taken,
                    micros,
                    damage);
        }
    }
}
