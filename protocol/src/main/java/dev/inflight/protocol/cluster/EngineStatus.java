package dev.inflight.protocol.cluster;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a worker knows of its engine. An engine is in exactly one state.
 *
 * @param engine the engine's id, from its {@code hello}
 * @param model the model it serves
 * @param pid its process id
 * @param modes load modes it supports
 * @param wholeTensors true if its loader can not take a tensor in parts
 * @param state its state
 * @param version the version it serves; null unless {@code SERVING} or {@code UPDATING} from one
 * @param target the version it is being updated to, if {@code UPDATING}
 * @param reason why, if {@code FAILED}
 * @param standby what it can take back without being sent a byte; null if nothing, or if it does not say
 */
public record EngineStatus(
        String engine,
        String model,
        long pid,
        List<LoadMode> modes,
        boolean wholeTensors,
        State state,
        @Nullable String version,
        @Nullable String target,
        @Nullable String reason,
        @Nullable Standby standby) {

    public enum State {
        SERVING,
        UPDATING,
        PENDING_WEIGHTS,
        FAILED
    }

    public EngineStatus {
        modes = List.copyOf(modes);
    }

    /** An engine with nothing standing by. */
    public EngineStatus(
            String engine,
            String model,
            long pid,
            List<LoadMode> modes,
            boolean wholeTensors,
            State state,
            @Nullable String version,
            @Nullable String target,
            @Nullable String reason) {
        this(engine, model, pid, modes, wholeTensors, state, version, target, reason, null);
    }
}
