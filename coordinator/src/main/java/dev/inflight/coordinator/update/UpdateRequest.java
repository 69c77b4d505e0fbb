package dev.inflight.coordinator.update;

import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.VerifyPoint;
import org.jspecify.annotations.Nullable;

/**
 * One round of an update: which checkpoint goes to which engines.
 *
 * @param mode load mode; null lets {@link Preparation} choose
 * @param strategy how the bytes come to the engines
 * @param standby whether nothing need be sent if the checkpoint stands by in every engine
 * @param group a host, worker or engine id; null for all engines of the model
 * @param verify where bytes are last compared with what was published; null for the setting
 */
public record UpdateRequest(
        CheckpointRef checkpoint,
        @Nullable LoadMode mode,
        Strategy strategy,
        boolean standby,
        @Nullable String group,
        @Nullable VerifyPoint verify) {
    /** One for which nothing need be sent if the checkpoint stands by in every engine. */
    public UpdateRequest(CheckpointRef checkpoint, @Nullable LoadMode mode, Strategy strategy, @Nullable String group) {
        this(checkpoint, mode, strategy, true, group, null);
    }

    /** The same, verified there. */
    UpdateRequest verified(@Nullable VerifyPoint where) {
        return new UpdateRequest(checkpoint, mode, strategy, standby, group, where);
    }

    /** Whether a worker's engine is meant. */
    boolean selects(FleetWorker worker) {
        return worker.serves(checkpoint.model()) && worker.isIn(group);
    }
}
