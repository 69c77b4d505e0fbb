package dev.inflight.worker;

import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.EngineStatus.State;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.Standby;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.WorkerCommand.Prepare;
import dev.inflight.protocol.link.EngineMessage;
import dev.inflight.worker.link.EngineSession;
import org.jspecify.annotations.Nullable;

/** The engine on the link and what this worker knows of it. */
record AttachedEngine(EngineSession session, EngineStatus status) {
    /** As the engine's hello describes it. */
    static AttachedEngine of(EngineSession session) {
        var hello = session.hello();
        var state = hello.version() == null ? State.PENDING_WEIGHTS : State.SERVING;
        return new AttachedEngine(
                session,
                new EngineStatus(
                        hello.engine(),
                        hello.model(),
                        hello.pid(),
                        hello.modes(),
                        hello.wholeTensors(),
                        state,
                        hello.version(),
                        null,
                        null,
                        hello.standby()));
    }

    /** Buckets of a shadow update are written over what stands by. */
    AttachedEngine updating(Prepare order) {
        boolean kept = order.mode() == LoadMode.IN_PLACE || order.strategy() == Strategy.STANDBY;
        return with(State.UPDATING, status.version(), order.checkpoint().version(), kept ? status.standby() : null);
    }

    AttachedEngine serving(CheckpointRef checkpoint, @Nullable Standby standby) {
        return with(State.SERVING, checkpoint.version(), null, standby);
    }

    /** Whether it can take back a checkpoint without being sent it. */
    boolean hasStandingBy(CheckpointRef checkpoint) {
        return status.standby() != null && status.standby().digest().equals(checkpoint.digest());
    }

    /** As it is when an update ended without touching it. */
    AttachedEngine untouched() {
        return with(
                status.version() == null ? State.PENDING_WEIGHTS : State.SERVING,
                status.version(),
                null,
                status.standby());
    }

    /** As it says it is after an abort. */
    AttachedEngine aborted(EngineMessage.Aborted answer) {
        return with(answer.state(), answer.version(), null, answer.standby());
    }

    private AttachedEngine with(
            State state, @Nullable String version, @Nullable String target, @Nullable Standby standby) {
        return new AttachedEngine(
                session,
                new EngineStatus(
                        status.engine(),
                        status.model(),
                        status.pid(),
                        status.modes(),
                        status.wholeTensors(),
                        state,
                        version,
                        target,
                        null,
                        standby));
    }
}
