package dev.inflight.coordinator.update;

import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.LoadMode;
import org.jspecify.annotations.Nullable;

/**
 * One round of an update: which checkpoint goes to which engines.
 *
 * @param mode load mode; null lets {@link Preparation} choose
 * @param strategy as requested
 * @param group a host, worker or engine id; null for all engines of the model
 */
public record UpdateRequest(
        CheckpointRef checkpoint,
        @Nullable LoadMode mode,
        String strategy,
        @Nullable String group) {

    /** Whether a worker's engine is meant. */
    boolean selects(FleetWorker worker) {
        EngineStatus engine = worker.engine();
        return engine != null
                && engine.model().equals(checkpoint.model())
                && (group == null
                        || group.equals(worker.host())
                        || group.equals(worker.id())
                        || group.equals(engine.engine()));
    }
}
