package dev.inflight.coordinator.update;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import dev.inflight.protocol.cluster.Taken;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import java.util.Collection;
import java.util.List;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/**
 * How an update ended, as the HTTP API shows it.
 *
 * @param kind {@code update}, {@code rollback} or {@code join}
 * @param from version the engines had before; null if they had none, or not all the same
 * @param seconds from acceptance to the end, a restoring update included
 * @param bytes size of the checkpoint
 * @param deliveredBytes sum of what the engines took
 * @param taken what the engine's host took for a join, its fields among the others; nothing of an update
 * @param repair who stood in for owners that were lost; null if none was, or what they had was not needed any more
 * @param verify where the bytes were last compared with what was published; null if no worker heard of it
 * @param damage what was found damaged and mended on the way
 */
record UpdateResult(
        String kind,
        String model,
        @Nullable String from,
        String to,
        long epoch,
        @Nullable String mode,
        String strategy,
        String outcome,
        @Nullable String reason,
        double seconds,
        long bytes,
        long deliveredBytes,
        @Nullable SlotUse slots,
        @Nullable ExchangeUse exchange,
        @Nullable String planDigest,
        List<EngineResult> engines,
        @Nullable Phases phases,
        Stages stages,
        @JsonUnwrapped Taken taken,
        @Nullable Repair repair,
        @Nullable Restore restore,
        @Nullable String verify,
        List<DamageFound> damage) {

    /** The result of an update that no worker heard of. */
    static UpdateResult notStarted(String kind, UpdateRequest request, @Nullable String reason, double seconds) {
        return new UpdateResult(
                kind,
                request.checkpoint().model(),
                null,
                request.checkpoint().version(),
                0,
                request.mode() == null ? null : request.mode().label(),
                request.strategy().label(),
                "aborted",
                reason,
                seconds,
                request.checkpoint().bytes(),
                0,
                null,
                null,
                null,
                List.of(),
                null,
                Stages.of(List.of()),
                Taken.NOTHING,
                null,
                null,
                null,
                List.of());
    }

    record SlotUse(int count, long bytes, String reason) {}

    /**
     * @param name {@code transfers} or {@code nccl}
     * @param reason why that one
     */
    record ExchangeUse(String name, String reason) {}

    /**
     * @param outcome {@code committed}, {@code aborted} or {@code failed}
     * @param state the engine's state; null if unknown
     * @param version version it serves; null if none or unknown
     * @param stallMs time it could not serve; null if unknown
     */
    record EngineResult(
            @Nullable String engine,
            String worker,
            String outcome,
            @Nullable String state,
            @Nullable String version,
            @Nullable Double stallMs) {}

    /** How long the coordinator waited for the members in each phase; a restoring update is not in it. */
    record Phases(
            double prepareSeconds,
            double beginSeconds,
            double streamSeconds,
            double commitSeconds,
            double abortSeconds) {}

    /** Busy time of each stage on the worker that was busy longest; of a join, transfer is what its host waited for. */
    record Stages(
            double h2dSeconds,
            double verifySeconds,
            double transferSeconds,
            double reloadSeconds,
            double streamSeconds,
            double engineVerifySeconds) {
        static Stages of(Collection<StageReport> reports) {
            return new Stages(
                    longest(reports, StageReport::h2dMicros),
                    longest(reports, StageReport::verifyMicros),
                    longest(reports, StageReport::transferMicros),
                    longest(reports, StageReport::reloadMicros),
                    longest(reports, StageReport::streamMicros),
                    longest(reports, StageReport::engineVerifyMicros));
        }

        private static double longest(Collection<StageReport> reports, ToLongFunction<StageReport> micros) {
            return reports.stream().mapToLong(micros).max().orElse(0) / 1e6;
        }
    }

    /**
     * @param owners workers that were lost, at least to some, before all that they were to send had come
     * @param standIns hosts from whose stores the rest was taken
     * @param restoredBytes what hosts read again for that
     */
    record Repair(List<String> owners, List<String> standIns, long restoredBytes) {}

    /**
     * A block that was not what was published when it was to be used.
     *
     * @param place {@code store}, {@code slot} or {@code wire}
     * @param host where
     * @param begin its first byte, counted from the tensor's
     * @param mendedFrom what the right bytes came from
     */
    record DamageFound(String place, String host, String file, String tensor, long begin, String mendedFrom) {
        static List<DamageFound> of(Collection<StageReport> reports) {
            return reports.stream()
                    .flatMap(report -> report.damage().stream())
                    .map(one -> new DamageFound(
                            one.place().label(), one.host(), one.file(), one.tensor(), one.begin(), one.mendedFrom()))
                    .distinct()
                    .limit(StageReport.MOST_DAMAGE)
                    .toList();
        }
    }

    /**
     * @param outcome {@code restored} or {@code failed}
     * @param reason why engines stay without weights; null if none does
     */
    record Restore(String outcome, double seconds, @Nullable String reason) {}
}
