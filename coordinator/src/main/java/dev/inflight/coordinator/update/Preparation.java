package dev.inflight.coordinator.update;

import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.coordinator.fleet.ShardSet;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Slots;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;

/** What {@link Preparer} finds out about a wanted update before any worker hears of it. */
sealed interface Preparation {
    /** It can not be done; nothing changed. */
    record No(Refused refused) implements Preparation {}

    /**
     * No live host holds some shards; they must be loaded again first.
     *
     * @param holders hosts that hold other shards of the checkpoint and can load
     * @param others further hosts that can load
     */
    record ShardsLost(ShardSet lost, List<String> holders, List<String> others) implements Preparation {}

    /**
     * It can start.
     *
     * @param strategy how the bytes come to the engines, if any come
     * @param exchange how buckets come from worker to worker
     * @param members all workers that take part, by id
     * @param receivers ids of those whose engine takes the weights
     * @param owners ids of those that have buckets to send
     * @param replaceable shards of owners that others could stand in for, by worker id
     * @param failed engines of the model that are FAILED and so stay out, by worker id
     */
    record Ready(
            Membership membership,
            Slots slots,
            LoadMode mode,
            Strategy strategy,
            ExchangeChoice exchange,
            SortedMap<String, FleetWorker> members,
            SortedSet<String> receivers,
            Set<String> owners,
            Map<String, ShardSet> replaceable,
            SortedMap<String, EngineStatus> failed)
            implements Preparation {
        public Ready {
            owners = Set.copyOf(owners);
            replaceable = Map.copyOf(replaceable);
        }
    }
}
