package dev.inflight.coordinator.update;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetHost;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.coordinator.fleet.ShardSet;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.coordinator.session.SessionEvent;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.plan.Membership;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The whole course of an update, decisions only: which round runs now and what follows it.
 *
 * <pre>
 * [AWAITING_JOINS →] [RESTORING_SHARDS →] UPDATING → DONE
 *                          └→ ROLLING_BACK (lost shards restored first) → DONE
 * </pre>
 */
final class UpdateCourse {
    enum State {
        /** Engines whose joins were broken off for this update are about to be free. */
        AWAITING_JOINS,
        RESTORING_SHARDS,
        UPDATING,
        ROLLING_BACK,
        DONE
    }

    sealed interface Action {}

    record ToWorkers(Round round, Send send) implements Action {}

    /** Says to the members that are left of a round which hosts stand in for lost owners; none do yet if there is none. */
    record Repairing(Round round, List<Membership.Host> hosts) implements Action {}

    record ToHost(FleetHost host, String restoreId, CheckpointRef checkpoint, ShardSet shards) implements Action {}

    /** The last action. */
    record End(SessionEvent event) implements Action {}

    private final UpdateStart start;
    private final Rollback rollback;
    private final long startNanos;
    private final Map<Long, Boolean> epochs = new HashMap<>();
    private final Set<String> silent = new HashSet<>();
    private final Set<String> idle = new HashSet<>();
    private final Set<String> leftOut = new HashSet<>();
    private State state = State.RESTORING_SHARDS;
    private Fleet fleet;
    private UpdateRequest goal;
    private Set<String> only;
    private Map<String, ShardSet> restored = Map.of();
    private @Nullable LostShards lostShards;
    private @Nullable Round main;
    private @Nullable Round round;
    private @Nullable OwnerRepair repair;
    private final SortedMap<String, FleetWorker> lostBefore = new TreeMap<>();
    private int attempts;
    private @Nullable UpdateReport report;
    private @Nullable PhaseTimes phases;
    private long rollbackStartNanos;
    private int restores;

    UpdateCourse(UpdateStart start) {
        this.start = start;
        this.fleet = start.fleet();
        this.goal = start.request().verified(start.verify());
        this.only = start.only();
        this.rollback = new Rollback(start.versions(), start.settings().restoreAttempts());
        this.startNanos = start.nanoTime().getAsLong();
    }

    List<Action> begin() {
        UpdateStart.Orphan orphan = start.orphan();
        if (orphan != null) {
            // Where another update has one of them already, the worker itself refuses the older epoch.
            start.claims().claim(start.id(), orphan.members().keySet());
        }
        if (orphan != null) {
            return run(new Round(goal, null, orphan.members(), TakeOver.attempt(orphan)));
        }
        if (stillJoining().isEmpty()) {
            return prepare();
        }
        state = State.AWAITING_JOINS;
        return List.of();
    }

    /** Engines to wait for that are there and have not ended their joins. */
    private Set<String> stillJoining() {
        Map<String, String> taken = start.claims().ofOthers(start.id());
        return start.awaited().stream()
                .filter(id -> {
                    FleetWorker worker = fleet.workers().get(id);
                    return worker != null && (taken.containsKey(id) || worker.unfinished() != null);
                })
                .collect(Collectors.toSet());
    }

    /** What it is for has changed; after the commit point nothing happens. */
    List<Action> onCancel(String reason) {
        if (round != null) {
            return follow(round, round.attempt().cancel(reason));
        }
        return state == State.DONE ? List.of() : impossible(reason);
    }

    List<Action> onFleet(Fleet next) {
        fleet = next;
        if (state == State.AWAITING_JOINS) {
            return stillJoining().isEmpty() ? prepareAfterJoins() : List.of();
        }
        if (lostShards != null) {
            return restoring(lostShards, lostShards.onFleet(next));
        }
        return round == null ? List.of() : follow(round, losses(round));
    }

    List<Action> onWorker(WorkerEvent event) {
        return round == null ? List.of() : follow(round, round.attempt().on(event));
    }

    /** @param epoch of which it was asked whether it may be committed */
    List<Action> onConfirmed(long epoch) {
        return round != null && round.attempt().epoch() == epoch
                ? follow(round, round.attempt().confirmed())
                : List.of();
    }

    /**
     * @param failure null if the shards are back
     * @param bytes what was read for that
     */
    List<Action> onRestored(String restoreId, @Nullable String failure, long bytes) {
        if (lostShards != null) {
            return restoring(lostShards, lostShards.answered(restoreId, failure));
        }
        if (round == null || repair == null) {
            return List.of();
        }
        List<Action> actions = new ArrayList<>(repair.answered(restoreId, failure, bytes));
        actions.addAll(follow(round, List.of()));
        return actions;
    }

    List<Action> resend() {
        return round == null ? List.of() : follow(round, round.attempt().resend());
    }

    List<Action> onDeadline(String waited) {
        if (state == State.AWAITING_JOINS) {
            // They join the version that this update ends on.
            leftOut.addAll(stillJoining());
            return prepareAfterJoins();
        }
        if (lostShards != null) {
            return impossible("lost shards could not be loaded again within " + waited);
        }
        if (round == null) {
            return List.of();
        }
        return follow(
                round,
                isRepairing() && round.attempt().state() == UpdateAttempt.State.STREAMING
                        ? round.attempt().cancel("shards of lost owners could not be loaded again within " + waited)
                        : round.attempt().deadline(waited));
    }

    private List<Action> prepareAfterJoins() {
        state = State.RESTORING_SHARDS;
        return prepare();
    }

    private List<Action> prepare() {
        Preparation preparation = preparation();
        // Another update's session may have chosen the same workers at the same time.
        while (preparation instanceof Preparation.Ready ready
                && !start.claims().claim(start.id(), ready.members().keySet())) {
            preparation = preparation();
        }
        return switch (preparation) {
            case Preparation.No no -> no(no.refused());
            case Preparation.ShardsLost lost -> {
                String prefix = start.id() + "/restore-" + restores++;
                LostShards restore = new LostShards(prefix, goal.checkpoint(), lost, fleet);
                lostShards = restore;
                yield restoring(restore, restore.begin());
            }
            case Preparation.Ready ready ->
                run(new Round(
                        goal,
                        ready,
                        ready.members(),
                        UpdateAttempt.of(
                                start.epochs().next(),
                                ready.members().keySet(),
                                ready.receivers(),
                                expendable(ready),
                                replaceable(ready).keySet())));
        };
    }

    private Preparation preparation() {
        Map<String, String> taken = start.claims().ofOthers(start.id());
        return new Preparer(
                        fleet,
                        goal,
                        restored,
                        this::isUsable,
                        idle,
                        taken,
                        main != null || !leftOut.isEmpty(),
                        new Preparer.JoinView(start.id(), start.sources()),
                        start.settings())
                .prepare(only);
    }

    private boolean isUsable(String id) {
        FleetWorker worker = fleet.workers().get(id);
        return !silent.contains(id) && !leftOut.contains(id) && (worker == null || !fleet.isLeaving(worker));
    }

    /** Receivers that an update can do without, with their engines. */
    private Map<String, String> expendable(Preparation.Ready ready) {
        Map<String, String> engines = new HashMap<>();
        if (start.settings().onMemberLoss() == UpdateSettings.OnMemberLoss.CONTINUE) {
            for (String receiver : ready.receivers()) {
                FleetWorker worker = ready.members().get(receiver);
                EngineStatus engine = worker == null ? null : worker.engine();
                boolean needed = ready.owners().contains(receiver)
                        && !ready.replaceable().containsKey(receiver);
                if (engine != null && !needed) {
                    engines.put(receiver, engine.engine());
                }
            }
        }
        return engines;
    }

    private Map<String, ShardSet> replaceable(Preparation.Ready ready) {
        return start.settings().onMemberLoss() == UpdateSettings.OnMemberLoss.CONTINUE ? ready.replaceable() : Map.of();
    }

    private List<Action> no(Refused refused) {
        // Whoever asked has been answered already if something was awaited.
        if (main != null
                || attempts > 0
                || !restored.isEmpty()
                || !start.awaited().isEmpty()) {
            return impossible(refused.message());
        }
        state = State.DONE;
        return List.of(new End(new SessionEvent.NotTaken(start.id(), refused)));
    }

    private List<Action> restoring(LostShards restore, List<Action> actions) {
        String failure = restore.failure();
        if (failure != null) {
            return impossible(failure);
        }
        if (!restore.done()) {
            return actions;
        }
        restored = restore.restored(restored);
        lostShards = null;
        return prepare();
    }

    private List<Action> run(Round next) {
        round = next;
        if (main == null) {
            main = next;
            report = new UpdateReport(next, lostBefore);
            phases = new PhaseTimes(next.attempt().state(), start.nanoTime().getAsLong());
            rollback.goal(FormerVersions.of(next));
            state = State.UPDATING;
        }
        Preparation.Ready ready = next.ready();
        repair = ready == null
                ? null
                : new OwnerRepair(
                        start.id() + "/" + next.attempt().epoch(), goal.checkpoint(), replaceable(ready), next);
        List<Action> actions = new ArrayList<>(toWorkers(next, next.attempt().start()));
        // The fleet may have changed since the members were chosen.
        actions.addAll(follow(next, losses(next)));
        return actions;
    }

    private List<Action> follow(Round current, List<Send> sends) {
        List<Action> actions = new ArrayList<>(toWorkers(current, sends));
        actions.addAll(repair(current));
        if (state == State.UPDATING && phases != null) {
            phases.at(current.attempt().state(), start.nanoTime().getAsLong());
        }
        if (current.attempt().state().ended()) {
            round = null;
            actions.addAll(ended(current));
        }
        return actions;
    }

    /** Has others stand in for owners that were lost. */
    private List<Action> repair(Round current) {
        OwnerRepair under = repair;
        if (under == null) {
            return List.of();
        }
        List<Action> actions = new ArrayList<>(under.follow(current.attempt(), fleet));
        if (under.failure() != null) {
            String lost = String.join(", ", current.attempt().lostOwners());
            actions.addAll(toWorkers(
                    current,
                    current.attempt().cancel("nobody can stand in for lost " + lost + ": " + under.failure())));
        }
        return actions;
    }

    private List<Action> ended(Round over) {
        UpdateAttempt attempt = over.attempt();
        boolean committed = attempt.state() == UpdateAttempt.State.COMMITTED;
        epochs.put(attempt.epoch(), committed);
        if (report != null) {
            report.ended(over, repair == null ? null : repair.result());
        }
        repair = null;
        if (!committed) {
            attempt.members().stream()
                    .filter(id -> !attempt.aborted().containsKey(id))
                    .forEach(silent::add);
            idle.addAll(attempt.aborted().keySet());
        }
        if (isWorthAnother(over)) {
            return again(over);
        }
        if (!committed && !start.isJoin()) {
            if (state == State.UPDATING) {
                if (start.orphan() != null) {
                    rollback.goal(FormerVersions.ofOrphan(over, fleet));
                }
                rollback.afterAbort(attempt.aborted(), fleet);
            }
            rollback.afterAbort(attempt.aborted().values());
            if (state == State.ROLLING_BACK) {
                rollback.aborted(attempt.reason());
            }
        }
        return next();
    }

    /** Preparing with whom is left is bounded like restoring updates. */
    private boolean isWorthAnother(Round over) {
        return state == State.UPDATING
                && over.attempt().isWorthAnother()
                && attempts < start.settings().restoreAttempts();
    }

    private List<Action> again(Round over) {
        attempts++;
        for (String id : over.attempt().receivers()) {
            FleetWorker worker = over.members().get(id);
            if (worker != null && !fleet.isLive(id, worker.ref())) {
                lostBefore.put(id, worker);
            }
        }
        main = null;
        report = null;
        phases = null;
        state = State.RESTORING_SHARDS;
        return prepare();
    }

    private List<Action> next() {
        if (state != State.ROLLING_BACK) {
            rollbackStartNanos = start.nanoTime().getAsLong();
        }
        Rollback.Due due = rollback.next();
        if (due == null) {
            return end(null);
        }
        state = State.ROLLING_BACK;
        goal = due.request().verified(goal.verify());
        only = due.workers();
        restored = Map.of();
        return prepare();
    }

    /** The present round can not run at all. */
    private List<Action> impossible(String message) {
        lostShards = null;
        if (main == null) {
            return end(message);
        }
        rollback.problem(message);
        return next();
    }

    private List<Action> end(@Nullable String impossible) {
        state = State.DONE;
        double seconds = seconds(startNanos);
        UpdateReport collected = report;
        UpdateResult result = collected == null
                ? UpdateResult.notStarted(start.kind(), start.request(), impossible, seconds)
                : collected.result(
                        start.kind(),
                        seconds,
                        phases == null ? null : phases.result(),
                        rollback.result(seconds(rollbackStartNanos)));
        boolean committed = collected != null && collected.committed();
        // A join has but one engine to bring along.
        boolean succeeded = committed && (!start.isJoin() || result.reason() == null);
        Operation operation = operation(
                succeeded ? OperationReply.State.SUCCEEDED : OperationReply.State.FAILED,
                result.outcome(),
                succeeded ? null : result.reason(),
                Json.write(result));
        String model = start.request().checkpoint().model();
        return List.of(new End(new SessionEvent.UpdateEnded(
                operation,
                model,
                committed ? start.request().checkpoint().version() : null,
                collected == null ? Set.of() : collected.from(),
                rollback.versionBefore(),
                collected == null ? Set.of() : collected.receivers(),
                epochs,
                collected == null ? shown -> true : shown -> collected.isVisible(shown, epochs.keySet()))));
    }

    private List<Send> losses(Round current) {
        List<Send> sends = new ArrayList<>();
        current.members().forEach((id, worker) -> {
            if (!fleet.isLive(id, worker.ref())) {
                sends.addAll(current.attempt().lost(id));
            } else if (start.orphan() != null && current.attempt().state() == UpdateAttempt.State.COMMITTING) {
                // A worker answers to whom it was prepared by, who is gone; its state says it too.
                WorkerEvent outcome =
                        TakeOver.commitOutcome(current, fleet.workers().get(id));
                if (outcome != null) {
                    sends.addAll(current.attempt().on(outcome));
                }
            }
        });
        return sends;
    }

    private static List<Action> toWorkers(Round round, List<Send> sends) {
        return sends.stream().<Action>map(send -> new ToWorkers(round, send)).toList();
    }

    /** Changes whenever another deadline begins. */
    Object timedState() {
        return List.of(
                state,
                epochs.size(),
                lostShards != null,
                isRepairing(),
                round == null ? "" : round.attempt().state());
    }

    /** How long the present state may last. */
    Duration limit() {
        UpdateSettings settings = start.settings();
        if (state == State.AWAITING_JOINS) {
            return settings.prepareTimeout();
        }
        if (round == null) {
            return settings.restoreTimeout();
        }
        return switch (round.attempt().state()) {
            case PREPARING -> settings.prepareTimeout();
            case BEGINNING -> settings.beginTimeout();
            case STREAMING -> isRepairing() ? settings.restoreTimeout() : settings.streamTimeout();
            case STAGED, COMMITTING, COMMITTED -> settings.commitTimeout();
            case ABORTING, ABORTED -> settings.abortTimeout();
        };
    }

    /** Whether the present state must also show progress. */
    boolean limitedByIdleness() {
        return lostShards != null || (round != null && round.attempt().state() == UpdateAttempt.State.STREAMING);
    }

    /** Shards of a lost owner are being loaded again. */
    private boolean isRepairing() {
        return round != null && repair != null && repair.restoring();
    }

    long doneBytes() {
        Round shown = round == null ? main : round;
        return shown == null ? 0 : shown.attempt().loadedBytes();
    }

    /** See {@link UpdateAttempt#movedBytes}. */
    long movedBytes() {
        Round shown = round == null ? main : round;
        return shown == null ? 0 : shown.attempt().movedBytes();
    }

    Operation operation() {
        return operation(OperationReply.State.RUNNING, phase(), null, null);
    }

    State state() {
        return state;
    }

    /** That of what now goes on; 0 before the workers are asked to prepare. */
    long epoch() {
        Round shown = round == null ? main : round;
        return shown == null ? 0 : shown.attempt().epoch();
    }

    private Operation operation(
            OperationReply.State operationState, String phase, @Nullable String error, @Nullable String resultJson) {
        Round shown = round == null ? main : round;
        long total = shown == null || isSwap(shown)
                ? 0
                : shown.request().checkpoint().bytes()
                        * shown.attempt().takers().size();
        return new Operation(start.id(), start.kind(), operationState, phase, doneBytes(), total, error, resultJson);
    }

    private static boolean isSwap(Round shown) {
        return shown.ready() != null && shown.ready().strategy() == Strategy.STANDBY;
    }

    private String phase() {
        Enum<?> shown =
                state == State.UPDATING && round != null ? round.attempt().state() : state;
        if (shown == UpdateAttempt.State.STREAMING && isRepairing()) {
            return "repairing";
        }
        return shown.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    private double seconds(long sinceNanos) {
        return (start.nanoTime().getAsLong() - sinceNanos) / 1e9;
    }
}
