package dev.inflight.coordinator.update;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetHost;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.coordinator.fleet.ShardSet;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.coordinator.session.SessionEvent;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.plan.Membership;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The whole course of an update, decisions only: which round runs now and what follows it. A {@link RoundPreparer} gets
 * each round ready, its {@link RoundCourse} brings it to its end, and the {@link UpdateReport} tells of them.
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
    private final RoundPreparer preparer;
    private final Rollback rollback;
    private final long startNanos;
    private final Map<Long, Boolean> epochs = new HashMap<>();
    private final SortedMap<String, FleetWorker> lostBefore = new TreeMap<>();
    private State state = State.RESTORING_SHARDS;
    private Fleet fleet;
    private @Nullable RoundCourse round;
    private @Nullable UpdateReport report;
    private int attempts;
    private long rollbackStartNanos;

    UpdateCourse(UpdateStart start) {
        this.start = start;
        this.fleet = start.fleet();
        this.preparer = new RoundPreparer(start);
        this.rollback = new Rollback(start.versions(), start.settings().restoreAttempts());
        this.startNanos = now();
    }

    List<Action> begin() {
        UpdateStart.Orphan orphan = start.orphan();
        if (orphan != null) {
            // Where another update has one of them already, the worker itself refuses the older epoch.
            start.claims().claim(start.id(), orphan.members().keySet());
            return run(new Round(preparer.goal(), null, orphan.members(), TakeOver.attempt(orphan)));
        }
        if (!preparer.awaitsJoins(fleet)) {
            return prepare();
        }
        state = State.AWAITING_JOINS;
        return List.of();
    }

    /** What it is for has changed; after the commit point nothing happens. */
    List<Action> onCancel(String reason) {
        if (round != null) {
            return follow(round, round.cancel(reason));
        }
        return state == State.DONE ? List.of() : impossible(reason);
    }

    List<Action> onFleet(Fleet next) {
        fleet = next;
        if (state == State.AWAITING_JOINS) {
            return preparer.awaitsJoins(fleet) ? List.of() : prepareAfterJoins();
        }
        if (preparer.isRestoring()) {
            return take(preparer.onFleet(fleet));
        }
        return round == null ? List.of() : follow(round, round.onFleet(fleet));
    }

    List<Action> onWorker(WorkerEvent event) {
        return round == null ? List.of() : follow(round, round.onWorker(event));
    }

    /** @param epoch of which it was asked whether it may be committed */
    List<Action> onConfirmed(long epoch) {
        return round == null ? List.of() : follow(round, round.onConfirmed(epoch));
    }

    /**
     * @param failure null if the shards are back
     * @param bytes what was read for that
     */
    List<Action> onRestored(String restoreId, @Nullable String failure, long bytes) {
        if (preparer.isRestoring()) {
            return take(preparer.onRestored(restoreId, failure, fleet));
        }
        return round == null ? List.of() : follow(round, round.onRestored(restoreId, failure, bytes));
    }

    List<Action> resend() {
        return round == null ? List.of() : follow(round, round.resend());
    }

    List<Action> onDeadline(String waited) {
        if (state == State.AWAITING_JOINS) {
            preparer.leaveOutJoining(fleet);
            return prepareAfterJoins();
        }
        if (preparer.isRestoring()) {
            return impossible("lost shards could not be loaded again within " + waited);
        }
        return round == null ? List.of() : follow(round, round.onDeadline(waited));
    }

    private List<Action> prepareAfterJoins() {
        state = State.RESTORING_SHARDS;
        return prepare();
    }

    private List<Action> prepare() {
        return take(preparer.prepare(fleet));
    }

    private List<Action> take(RoundPreparer.Step step) {
        return switch (step) {
            case RoundPreparer.Begin begin -> run(begin.round());
            case RoundPreparer.Wait wait -> wait.actions();
            case RoundPreparer.No no -> no(no.refused());
            case RoundPreparer.Impossible impossible -> impossible(impossible.reason());
        };
    }

    private List<Action> no(Refused refused) {
        // Whoever asked has been answered already if something was awaited.
        if (report != null || attempts > 0 || !start.awaited().isEmpty()) {
            return impossible(refused.message());
        }
        state = State.DONE;
        return List.of(new End(new SessionEvent.NotTaken(start.id(), refused)));
    }

    private List<Action> run(Round next) {
        if (report == null) {
            report = new UpdateReport(next, lostBefore, now());
            rollback.goal(FormerVersions.of(next));
            state = State.UPDATING;
        }
        RoundCourse begun = new RoundCourse(next, start.id(), start.orphan() != null, fleet);
        round = begun;
        return follow(begun, begun.begin());
    }

    /** @param done what the present round has led to */
    private List<Action> follow(RoundCourse current, List<Action> done) {
        if (report != null) {
            report.at(now());
        }
        if (!current.state().ended()) {
            return done;
        }
        round = null;
        List<Action> actions = new ArrayList<>(done);
        actions.addAll(ended(current));
        return actions;
    }

    private List<Action> ended(RoundCourse over) {
        UpdateAttempt attempt = over.round().attempt();
        boolean committed = attempt.state() == UpdateAttempt.State.COMMITTED;
        epochs.put(attempt.epoch(), committed);
        if (report != null) {
            report.ended(over.round(), over.repaired());
        }
        if (!committed) {
            preparer.aborted(attempt);
        }
        if (isWorthAnother(attempt)) {
            return again(over.round());
        }
        if (!committed && !start.isJoin()) {
            if (state == State.UPDATING) {
                if (start.orphan() != null) {
                    rollback.goal(FormerVersions.ofOrphan(over.round(), fleet));
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
    private boolean isWorthAnother(UpdateAttempt over) {
        return state == State.UPDATING
                && over.isWorthAnother()
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
        report = null;
        state = State.RESTORING_SHARDS;
        return prepare();
    }

    private List<Action> next() {
        if (state != State.ROLLING_BACK) {
            rollbackStartNanos = now();
        }
        Rollback.Due due = rollback.next();
        if (due == null) {
            return end(null);
        }
        state = State.ROLLING_BACK;
        preparer.rollBack(due);
        return prepare();
    }

    /** The present round can not run at all. */
    private List<Action> impossible(String message) {
        preparer.stopRestoring();
        if (report == null) {
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
                : collected.result(start.kind(), seconds, rollback.result(seconds(rollbackStartNanos)));
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

    /** Changes whenever another deadline begins. */
    Object timedState() {
        return List.of(state, epochs.size(), preparer.isRestoring(), isRepairing(), round == null ? "" : round.state());
    }

    /** How long the present state may last. */
    Duration limit() {
        UpdateSettings settings = start.settings();
        if (state == State.AWAITING_JOINS) {
            return settings.prepareTimeout();
        }
        return round == null ? settings.restoreTimeout() : round.limit(settings);
    }

    /** Whether the present state must also show progress. */
    boolean limitedByIdleness() {
        return preparer.isRestoring() || (round != null && round.state() == UpdateAttempt.State.STREAMING);
    }

    private boolean isRepairing() {
        return round != null && round.isRepairing();
    }

    /** See {@link UpdateAttempt#movedBytes}. */
    long movedBytes() {
        Round shown = shown();
        return shown == null ? 0 : shown.attempt().movedBytes();
    }

    /** That of what now goes on; 0 before the workers are asked to prepare. */
    long epoch() {
        Round shown = shown();
        return shown == null ? 0 : shown.attempt().epoch();
    }

    Operation operation() {
        return operation(OperationReply.State.RUNNING, phase(), null, null);
    }

    private Operation operation(
            OperationReply.State operationState, String phase, @Nullable String error, @Nullable String resultJson) {
        Round shown = shown();
        long done = shown == null ? 0 : shown.attempt().loadedBytes();
        long total = shown == null ? 0 : shown.totalBytes();
        return new Operation(start.id(), start.kind(), operationState, phase, done, total, error, resultJson);
    }

    /** The present round, or between rounds the main one. */
    private @Nullable Round shown() {
        if (round != null) {
            return round.round();
        }
        return report == null ? null : report.main();
    }

    private String phase() {
        Enum<?> shown = state == State.UPDATING && round != null ? round.state() : state;
        if (shown == UpdateAttempt.State.STREAMING && isRepairing()) {
            return "repairing";
        }
        return shown.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    private double seconds(long sinceNanos) {
        return (now() - sinceNanos) / 1e9;
    }

    private long now() {
        return start.nanoTime().getAsLong();
    }
}
