package dev.inflight.worker;

import akka.actor.typed.ActorRef;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerCommand.Prepare;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.Session.Phase;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.worker.GpuWorkerMessage.AbortDone;
import dev.inflight.worker.GpuWorkerMessage.BeginDone;
import dev.inflight.worker.GpuWorkerMessage.CommitDone;
import dev.inflight.worker.GpuWorkerMessage.PrepareDone;
import dev.inflight.worker.GpuWorkerMessage.StepDone;
import dev.inflight.worker.GpuWorkerMessage.StepFailed;
import dev.inflight.worker.GpuWorkerMessage.StreamDone;
import dev.inflight.worker.link.EngineSession;
import dev.inflight.worker.metrics.WorkerMetrics;
import dev.inflight.worker.update.UpdateContext;
import dev.inflight.worker.update.UpdateSession;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A worker's part in one update, from its preparation until it is committed or taken back. It says which step may come
 * next, answers the coordinator, and tells the worker's engine what becomes of it. A command or an end that does not fit
 * the step it is at changes nothing; but a commit that comes too early takes the update back, and an abort that comes too
 * late is answered when the commit is over. Belongs to the worker's actor, which alone calls it and never waits here: the steps
 * run on threads of their own, and the actor hands their ends to {@link #ended}.
 */
final class Participation {
    private enum Step {
        PREPARING,
        PREPARED,
        BEGINNING,
        BEGUN,
        STREAMING,
        STAGED,
        COMMITTING,
        COMMITTED,
        ABORTING,
        ABORTED
    }

    private final Prepare order;
    private final UpdateSession session;
    /** Version the engine had before; null if it had none. */
    private final @Nullable String from;

    private final WorkerEngine engine;
    private final UpdateSteps steps;
    private final WorkerMetrics metrics;
    private final Runnable changed;
    private final List<ActorRef<WorkerEvent>> awaitingAbort = new ArrayList<>();
    private Step step = Step.PREPARING;
    private long stallMicros;

    /** Taken back without a coordinator's order. One that never heard of it must still be able to restore the engine. */
    private boolean givenUp;

    private Participation(
            Prepare order,
            UpdateSession session,
            @Nullable String from,
            WorkerEngine engine,
            UpdateSteps steps,
            WorkerMetrics metrics,
            Runnable changed) {
        this.order = order;
        this.session = session;
        this.from = from;
        this.engine = engine;
        this.steps = steps;
        this.metrics = metrics;
        this.changed = changed;
    }

    /**
     * Takes part in an update, and begins to prepare for it.
     *
     * @param engine takes the update if the order says that this worker receives
     * @param changed tells the subscribers how the worker is; run before whoever waits for an abort is answered
     */
    static Participation prepare(
            UpdateContext context,
            Prepare order,
            WorkerEngine engine,
            UpdateSteps steps,
            WorkerMetrics metrics,
            Runnable changed) {
        var receiver = receives(order, context.worker()) ? engine.attached() : null;
        var loaded = new Throttle(
                bytes -> order.replyTo().tell(new WorkerEvent.Progress(context.worker(), order.epoch(), bytes)));
        var session = new UpdateSession(context, order, receiver == null ? null : receiver.session(), loaded::pass);
        var from = receiver == null ? null : receiver.status().version();
        steps.prepare(session);
        return new Participation(order, session, from, engine, steps, metrics, changed);
    }

    /** Whether a worker's engine takes the update. */
    static boolean receives(Prepare order, String worker) {
        return order.membership().workers().stream().anyMatch(one -> one.id().equals(worker) && one.receives());
    }

    long epoch() {
        return order.epoch();
    }

    /** Nothing of it is going on any more. */
    boolean isOver() {
        return step == Step.COMMITTED || step == Step.ABORTED;
    }

    /** Can still be taken back: no commit was ordered and no abort begun. */
    private boolean canAbort() {
        return step.compareTo(Step.COMMITTING) < 0;
    }

    void begin() {
        if (step == Step.PREPARED) {
            step = Step.BEGINNING;
            engine.updating(session.engine(), order);
            steps.begin(session);
            changed.run();
        }
    }

    void stream() {
        if (step == Step.BEGUN) {
            step = Step.STREAMING;
            steps.stream(session, order);
            changed.run();
        }
    }

    void drop(String consumer) {
        if (canAbort()) {
            session.drop(consumer);
        }
    }

    void repair(List<String> owners, List<Membership.Host> hosts) {
        if (canAbort()) {
            session.repair(owners, hosts);
        }
    }

    void holdOn() {
        if (canAbort()) {
            session.holdOn();
        }
    }

    void commit() {
        if (step == Step.STAGED) {
            step = Step.COMMITTING;
            steps.commit(session);
            changed.run();
        } else if (step == Step.COMMITTED) {
            tellCommitted();
        } else if (canAbort()) {
            // All others have everything: it only sent, or was dropped and did not hear of it.
            takeBack("the update was committed without this worker");
        } else {
            settled();
        }
    }

    /** An update whose commit was ordered can not be taken back; the answer then waits until it is decided. */
    void abort(WorkerCommand.Abort abort) {
        if (isOver()) {
            settled();
            abort.replyTo().tell(aborted());
            return;
        }
        if (!awaitingAbort.contains(abort.replyTo())) {
            awaitingAbort.add(abort.replyTo());
        }
        if (canAbort()) {
            takeBack(abort.reason());
        }
    }

    /** A coordinator decided what this worker had given up. */
    private void settled() {
        if (givenUp && isOver()) {
            givenUp = false;
            changed.run();
        }
    }

    /** Takes it back, if that can be, without a coordinator's order: it shows as given up until one has settled it. */
    void giveUp(String reason) {
        if (canAbort()) {
            givenUp = true;
            takeBack(reason);
        }
    }

    /** The worker stops, and nobody will ask what became of the update. */
    void stop() {
        if (canAbort()) {
            takeBack("the worker stops");
        }
    }

    private void takeBack(String reason) {
        step = Step.ABORTING;
        session.fail(reason, null);
        steps.abort(session, reason);
    }

    /** An engine is gone. A step that runs ends for it; if none does, the update is given up here. */
    void engineLost(EngineSession lost, String why) {
        if (isOver() || session.engine() != lost) {
            return;
        }
        var name = lost.hello().engine();
        var reason = "engine " + name + " was lost: " + why;
        session.fail(reason, name);
        if (step == Step.PREPARED || step == Step.BEGUN || step == Step.STAGED) {
            ended(new StepFailed(session, reason, name));
        }
    }

    /** A step has ended; of another update's nothing is done. */
    void ended(StepDone done) {
        if (done.session() != session) {
            return;
        }
        switch (done) {
            case PrepareDone prepared -> onPrepared(prepared);
            case BeginDone begun -> onBegun();
            case StreamDone streamed -> onStreamed(streamed);
            case CommitDone committed -> onCommitted(committed);
            case AbortDone aborted -> onAborted(aborted);
            case StepFailed failed -> onFailed(failed);
        }
    }

    private void onPrepared(PrepareDone done) {
        if (step == Step.PREPARING) {
            step = Step.PREPARED;
            tell(new WorkerEvent.Prepared(session.worker(), epoch(), done.planDigest()));
            changed.run();
        }
    }

    private void onBegun() {
        if (step == Step.BEGINNING) {
            step = Step.BEGUN;
            tell(new WorkerEvent.Begun(session.worker(), epoch()));
        }
    }

    private void onStreamed(StreamDone done) {
        if (step == Step.STREAMING) {
            step = Step.STAGED;
            metrics.streamed(session.worker(), done.report());
            tell(new WorkerEvent.Staged(session.worker(), epoch(), done.report()));
            changed.run();
        }
    }

    private void onCommitted(CommitDone done) {
        if (step == Step.COMMITTING) {
            step = Step.COMMITTED;
            stallMicros = done.stallMicros();
            metrics.committed(session.worker());
            engine.serving(session.engine(), order.checkpoint(), session.standby());
            tellCommitted();
            over();
            steps.close(session);
        }
    }

    private void onAborted(AbortDone done) {
        if (step == Step.ABORTING) {
            step = Step.ABORTED;
            metrics.aborted(session.worker());
            engine.aborted(session.engine(), done.outcome());
            over();
            steps.measureBudget();
        }
    }

    private void onFailed(StepFailed failed) {
        if (step == Step.COMMITTING) {
            // The engine may or may not have committed; only its next hello tells.
            step = Step.ABORTED;
            var unsure = session.engine();
            if (unsure != null) {
                unsure.close();
            }
            tell(failure(failed));
            over();
            steps.close(session);
        } else if (canAbort()) {
            // While aborting it is the cancelled step that fails, which says nothing of the engine yet.
            tell(
                    step == Step.PREPARING
                            ? new WorkerEvent.PrepareRefused(session.worker(), epoch(), failed.reason())
                            : failure(failed));
            giveUp(failed.reason());
        }
    }

    private void over() {
        if (!awaitingAbort.isEmpty()) {
            givenUp = false;
        }
        changed.run();
        awaitingAbort.forEach(waiting -> waiting.tell(aborted()));
        awaitingAbort.clear();
    }

    private void tell(WorkerEvent event) {
        order.replyTo().tell(event);
    }

    private void tellCommitted() {
        tell(new WorkerEvent.Committed(session.worker(), epoch(), stallMicros));
    }

    private WorkerEvent failure(StepFailed failed) {
        return new WorkerEvent.Failed(session.worker(), epoch(), failed.reason(), failed.suspect());
    }

    private WorkerEvent aborted() {
        return new WorkerEvent.Aborted(session.worker(), epoch(), engine.status());
    }

    /** What the coordinator is told of it; null when there is nothing to settle or to know. */
    WorkerEvent.@Nullable Session view() {
        var phase = switch (step) {
            case PREPARING, PREPARED -> Phase.PREPARED;
            case BEGINNING, BEGUN -> Phase.BEGUN;
            case STREAMING -> Phase.STREAMING;
            case STAGED -> Phase.STAGED;
            case COMMITTING -> Phase.COMMITTING;
            case COMMITTED -> Phase.COMMITTED;
            case ABORTING, ABORTED -> givenUp ? Phase.GIVEN_UP : null;
        };
        int members = order.membership().workers().size();
        return phase == null ? null : new WorkerEvent.Session(epoch(), order.updateId(), members, phase, from);
    }
}
