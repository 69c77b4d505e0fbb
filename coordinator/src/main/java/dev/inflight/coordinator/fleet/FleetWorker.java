package dev.inflight.coordinator.fleet;

import akka.actor.typed.ActorRef;
import dev.inflight.protocol.cluster.EngineSelection;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent.Session;
import dev.inflight.protocol.cluster.WorkerEvent.WorkerState;
import java.util.HashSet;
import java.util.List;
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

    /** @param group see {@link EngineSelection}; null means every engine */
    public boolean isIn(@Nullable String group) {
        return isIn(group == null ? null : EngineSelection.of(group));
    }

    /** The same for who asks often. */
    public boolean isIn(@Nullable EngineSelection group) {
        EngineStatus engine = state.engine();
        if (engine == null || group == null) {
            return engine != null;
        }
        return group.selects(new HashSet<>(List.of(state.host(), state.worker(), engine.engine())), state.labels());
    }

    /** The update it is still part of; null if it has none or has committed it. */
    public @Nullable Session unfinished() {
        Session session = state.session();
        return session == null || session.phase() == Session.Phase.COMMITTED ? null : session;
    }
}
