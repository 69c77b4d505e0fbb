package dev.inflight.coordinator.update;

import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.protocol.cluster.BandwidthLimit;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.VerifyPoint;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One round of an update: which checkpoint goes to which engines.
 *
 * @param mode load mode; null lets {@link Preparation} choose
 * @param strategy how the bytes come to the engines
 * @param standby whether nothing need be sent if the checkpoint stands by in every engine
 * @param group see {@link dev.inflight.protocol.cluster.EngineSelection}; null for all engines of the model
 * @param verify where bytes are last compared with what was published; null for the setting
 * @param limits what hosts keep to that send to engines while these serve
 */
public record UpdateRequest(
        CheckpointRef checkpoint,
        @Nullable LoadMode mode,
        Strategy strategy,
        boolean standby,
        @Nullable String group,
        @Nullable VerifyPoint verify,
        List<BandwidthLimit> limits) {
    public UpdateRequest {
        limits = List.copyOf(limits);
    }

    /** One as fast as it can, for which nothing need be sent if the checkpoint stands by in every engine. */
    public UpdateRequest(CheckpointRef checkpoint, @Nullable LoadMode mode, Strategy strategy, @Nullable String group) {
        this(checkpoint, mode, strategy, true, group, null, List.of());
    }

    /** The same, under these limits. */
    public UpdateRequest under(List<BandwidthLimit> others) {
        return new UpdateRequest(checkpoint, mode, strategy, standby, group, verify, others);
    }

    /** The same, verified there. */
    UpdateRequest verified(@Nullable VerifyPoint where) {
        return new UpdateRequest(checkpoint, mode, strategy, standby, group, where, limits);
    }

    /** What hosts keep to if it loads in this mode: one that stops its engines would only stop them for longer. */
    List<BandwidthLimit> limits(LoadMode chosen) {
        return strategy == Strategy.P2P || chosen == LoadMode.SHADOW ? limits : List.of();
    }

    /** Whether a worker's engine is meant. */
    boolean selects(FleetWorker worker) {
        return worker.serves(checkpoint.model()) && worker.isIn(group);
    }
}
