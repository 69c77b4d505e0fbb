package dev.inflight.coordinator.canary;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.protocol.cluster.EngineSelection;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.OperationReply.Refused.Code;
import dev.inflight.protocol.cluster.TrainerCommand.CanaryUpdate;
import dev.inflight.protocol.cluster.TrainerCommand.DecideCanary;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** Says which canaries are refused at once, and which engines the others begin with. Decisions only. */
public final class CanaryAdmission {
    private static final int LONGEST_REASON = 1024;
    private static final Set<String> DECIDERS = Set.of("operator", "command");

    private CanaryAdmission() {}

    /**
     * @param refused why not; null if it may begin
     * @param workers whose engines try the version
     * @param from the version they have
     */
    public record Admitted(@Nullable Refused refused, SortedSet<String> workers, String from) {
        private static Admitted no(Code code, String message) {
            return new Admitted(new Refused(code, message), new TreeSet<>(), "");
        }
    }

    /**
     * @param settled whether an engine serves what it should: one that is about to join something else would go back to
     *     what nobody wants it to have
     * @throws CanaryException if what was asked for makes no sense, or is not allowed
     */
    public static Admitted of(
            CanaryUpdate asked, Fleet fleet, Predicate<FleetWorker> settled, CanarySettings settings) {
        CanaryPlan plan = CanaryPlan.of(asked.canary(), settings);
        EngineSelection selection = asked.group() == null ? null : EngineSelection.of(asked.group());
        List<FleetWorker> candidates = fleet.workers().values().stream()
                .filter(worker -> worker.serves(asked.model()) && worker.isIn(selection))
                .filter(worker -> isServing(worker) && settled.test(worker) && !fleet.isLeaving(worker))
                .toList();
        if (fleet.incomplete()) {
            return Admitted.no(
                    Code.UNAVAILABLE,
                    "not every worker has reported yet, so that the engines are not known; try again");
        }
        String engines =
                "engine of model " + asked.model() + (asked.group() == null ? "" : " in group " + asked.group());
        SortedSet<String> versions = new TreeSet<>();
        candidates.forEach(worker -> versions.add(
                String.valueOf(Objects.requireNonNull(worker.engine()).version())));
        if (versions.isEmpty()) {
            return Admitted.no(
                    Code.UNAVAILABLE,
                    "no " + engines + " serves the version that it should have, which a canary could go back to");
        }
        if (versions.size() > 1) {
            return Admitted.no(
                    Code.CONFLICT,
                    "not every " + engines + " serves the same version, so that there is none to go back to: "
                            + versions + "; update or roll back to one of them first");
        }
        String from = versions.first();
        return from.equals(asked.version())
                ? Admitted.no(Code.CONFLICT, "every " + engines + " serves version " + from + " already")
                : new Admitted(null, CanaryChoice.choose(candidates, plan.share(), settings.replicaLabel()), from);
    }

    private static boolean isServing(FleetWorker worker) {
        EngineStatus engine = worker.engine();
        return engine != null && engine.state() == EngineStatus.State.SERVING;
    }

    /** What is wrong with the words of a decision; null if nothing. */
    public static @Nullable Refused refusal(DecideCanary decision) {
        if (decision.operation() == null && decision.model() == null) {
            return new Refused(Code.INVALID, "operation: must be given, or model");
        }
        if (decision.detectedBy() != null && !DECIDERS.contains(decision.detectedBy())) {
            return new Refused(
                    Code.INVALID, "detectedBy: must be operator or command but is \"" + decision.detectedBy() + "\"");
        }
        String reason = decision.reason();
        return reason != null
                        && (reason.length() > LONGEST_REASON || reason.chars().anyMatch(Character::isISOControl))
                ? new Refused(
                        Code.INVALID,
                        "reason: must be at most " + LONGEST_REASON + " characters and no control characters")
                : null;
    }
}
