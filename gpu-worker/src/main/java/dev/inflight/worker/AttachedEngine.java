package dev.inflight.worker;

import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.EngineStatus.State;
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
                        null));
    }

    AttachedEngine updating(String target) {
        return with(State.UPDATING, status.version(), target);
    }

    AttachedEngine serving(CheckpointRef checkpoint) {
        return with(State.SERVING, checkpoint.version(), null);
    }

    /** As it is when an update ended without touching it. */
    AttachedEngine untouched() {
        return with(status.version() == null ? State.PENDING_WEIGHTS : State.SERVING, status.version(), null);
    }

    /** As it says it is after an abort. */
    AttachedEngine aborted(EngineMessage.Aborted answer) {
        return with(answer.state(), answer.version(), null);
    }

    private AttachedEngine with(State state, @Nullable String version, @Nullable String target) {
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
                        null));
    }
}
