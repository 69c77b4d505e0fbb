package dev.inflight.coordinator.fleet;

import akka.actor.typed.ActorRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent.Session;
import dev.inflight.protocol.cluster.WorkerEvent.WorkerState;
import org.jspecify.annotations.Nullable;

/** A live GPU worker and what it last reported. */
public record FleetWorker(ActorRef<WorkerCommand> ref, WorkerState state) {
    public String id() {
        return state.worker();
    }

    public String host() {
        return state.host();
    }

    public @Nullable EngineStatus engine() {
        return state.engine();
    }

    /** Whether an engine of {@code model} is attached, in whatever state. */
    public boolean serves(String model) {
        EngineStatus engine = state.engine();
        return engine != null && engine.model().equals(model);
    }

    /** @param group a host, worker or engine id; null means every engine */
    public boolean isIn(@Nullable String group) {
        EngineStatus engine = state.engine();
        return engine != null
                && (group == null
                        || group.equals(state.host())
                        || group.equals(state.worker())
                        || group.equals(engine.engine()));
    }

    /** The update it is still part of; null if it has none or has committed it. */
    public @Nullable Session unfinished() {
        Session session = state.session();
        return session == null || session.phase() == Session.Phase.COMMITTED ? null : session;
    }
}
