package dev.inflight.worker;

import akka.actor.typed.ActorRef;
import dev.inflight.protocol.cluster.WorkerCommand.Prepare;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.Session.Phase;
import dev.inflight.worker.update.UpdateSession;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Where a GPU worker is in its update. Belongs to the worker's actor. */
final class CurrentUpdate {
    enum Step {
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

    final UpdateSession session;
    final Prepare order;
    /** Version the engine had before; null if it had none. */
    final @Nullable String from;

    final List<ActorRef<WorkerEvent>> awaitingAbort = new ArrayList<>();
    Step step = Step.PREPARING;
    long stallMicros;

    /** Taken back without a coordinator's order. One that never heard of it must still be able to restore the engine. */
    boolean givenUp;

    CurrentUpdate(UpdateSession session, Prepare order, @Nullable String from) {
        this.session = session;
        this.order = order;
        this.from = from;
    }

    long epoch() {
        return order.epoch();
    }

    void tell(WorkerEvent event) {
        order.replyTo().tell(event);
    }

    /** Nothing of it is going on any more. */
    boolean isOver() {
        return step == Step.COMMITTED || step == Step.ABORTED;
    }

    /** Waits for the coordinator's word; no step of the session runs. */
    boolean isWaiting() {
        return step == Step.PREPARED || step == Step.BEGUN || step == Step.STAGED;
    }

    /** Can still be taken back: no commit was ordered and no abort begun. */
    boolean canAbort() {
        return step.compareTo(Step.COMMITTING) < 0;
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
