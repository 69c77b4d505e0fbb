package dev.inflight.coordinator.update;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.coordinator.fleet.ShardSet;
import dev.inflight.coordinator.update.UpdateCourse.Action;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Gets the rounds of one update ready, each in its turn: has a {@link Preparer} choose the members, claims these, and
 * before that has shards loaded again that no live host holds. Remembers from one round to the next which workers can
 * not be counted on. Decisions only.
 */
final class RoundPreparer {
    /** What comes of preparing. */
    sealed interface Step {}

    /** The round can begin. */
    record Begin(Round round) implements Step {}

    /** Shards are being loaded again; {@link #onRestored} and {@link #onFleet} say what follows. */
    record Wait(List<Action> actions) implements Step {}

    /** It can not be done, and nothing was done for it. */
    record No(Refused refused) implements Step {}

    /** It can not be done, which showed when shards were being loaded again for it. */
    record Impossible(String reason) implements Step {}

    private final UpdateStart start;
    private final Set<String> silent = new HashSet<>();
    private final Set<String> idle = new HashSet<>();
    private final Set<String> leftOut = new HashSet<>();
    private UpdateRequest goal;
    private Set<String> only;
    private boolean rollback;
    private Map<String, ShardSet> restored = Map.of();
    private @Nullable LostShards restore;
    private int restores;

    RoundPreparer(UpdateStart start) {
        this.start = start;
        this.goal = start.request().verified(start.verify());
        this.only = start.only();
    }

    /** What it prepares for. */
    UpdateRequest goal() {
        return goal;
    }

    /** From now on it prepares for this, for engines that wait without weights. */
    void rollBack(Rollback.Due due) {
        goal = due.request().verified(goal.verify());
        only = due.workers();
        rollback = true;
        restored = Map.of();
    }

    /** Whether engines are still joining whose joins were broken off for this update. */
    boolean awaitsJoins(Fleet fleet) {
        return !joining(fleet).isEmpty();
    }

    /** Goes on without those: they join the version that this update ends on. */
    void leaveOutJoining(Fleet fleet) {
        leftOut.addAll(joining(fleet));
    }

    private Set<String> joining(Fleet fleet) {
        Map<String, String> taken = start.claims().ofOthers(start.id());
        return start.awaited().stream()
                .filter(id -> {
                    FleetWorker worker = fleet.workers().get(id);
                    return worker != null && (taken.containsKey(id) || worker.unfinished() != null);
                })
                .collect(Collectors.toSet());
    }

    /** Takes note of who answered to an abort, and so is idle, and who did not. */
    void aborted(UpdateAttempt attempt) {
        attempt.members().stream()
                .filter(id -> !attempt.aborted().containsKey(id))
                .forEach(silent::add);
        idle.addAll(attempt.aborted().keySet());
    }

    Step prepare(Fleet fleet) {
        Preparation preparation = preparation(fleet);
        // Another update's session may have chosen the same workers at the same time.
        while (preparation instanceof Preparation.Ready ready
                && !start.claims().claim(start.id(), ready.members().keySet())) {
            preparation = preparation(fleet);
        }
        return switch (preparation) {
            case Preparation.No no ->
                restored.isEmpty()
                        ? new No(no.refused())
                        : new Impossible(no.refused().message());
            case Preparation.ShardsLost lost -> {
                LostShards next = new LostShards(start.id() + "/restore-" + restores++, goal.checkpoint(), lost, fleet);
                restore = next;
                yield restoring(next, next.begin(), fleet);
            }
            case Preparation.Ready ready -> new Begin(new Round(goal, ready, ready.members(), attempt(ready)));
        };
    }

    private Preparation preparation(Fleet fleet) {
        return new Preparer(
                        fleet,
                        goal,
                        restored,
                        id -> isUsable(id, fleet),
                        idle,
                        start.claims().ofOthers(start.id()),
                        rollback || !leftOut.isEmpty(),
                        new Preparer.JoinView(start.id(), start.sources()),
                        start.settings())
                .prepare(only);
    }

    private boolean isUsable(String id, Fleet fleet) {
        FleetWorker worker = fleet.workers().get(id);
        return !silent.contains(id) && !leftOut.contains(id) && (worker == null || !fleet.isLeaving(worker));
    }

    private UpdateAttempt attempt(Preparation.Ready ready) {
        boolean goesOn = start.settings().onMemberLoss() == UpdateSettings.OnMemberLoss.CONTINUE;
        return UpdateAttempt.of(
                start.epochs().next(),
                ready.members().keySet(),
                ready.receivers(),
                goesOn ? expendable(ready) : Map.of(),
                goesOn ? ready.replaceable().keySet() : Set.of());
    }

    /** Receivers that an update can do without, with their engines. */
    private static Map<String, String> expendable(Preparation.Ready ready) {
        Map<String, String> engines = new HashMap<>();
        for (String receiver : ready.receivers()) {
            FleetWorker worker = ready.members().get(receiver);
            EngineStatus engine = worker == null ? null : worker.engine();
            boolean needed =
                    ready.owners().contains(receiver) && !ready.replaceable().containsKey(receiver);
            if (engine != null && !needed) {
                engines.put(receiver, engine.engine());
            }
        }
        return engines;
    }

    /** Whether shards are being loaded again. */
    boolean isRestoring() {
        return restore != null;
    }

    /** Waits for shards no longer. */
    void stopRestoring() {
        restore = null;
    }

    Step onFleet(Fleet fleet) {
        LostShards running = restore;
        return running == null ? new Wait(List.of()) : restoring(running, running.onFleet(fleet), fleet);
    }

    /** @param failure null if the shards are back */
    Step onRestored(String restoreId, @Nullable String failure, Fleet fleet) {
        LostShards running = restore;
        return running == null ? new Wait(List.of()) : restoring(running, running.answered(restoreId, failure), fleet);
    }

    private Step restoring(LostShards running, List<Action> actions, Fleet fleet) {
        String failure = running.failure();
        if (failure != null) {
            return new Impossible(failure);
        }
        if (!running.done()) {
            return new Wait(actions);
        }
        restored = running.restored(restored);
        restore = null;
        return prepare(fleet);
    }
}
