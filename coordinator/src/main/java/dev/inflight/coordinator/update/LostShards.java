package dev.inflight.coordinator.update;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetHost;
import dev.inflight.coordinator.fleet.ShardSet;
import dev.inflight.coordinator.update.UpdateCourse.Action;
import dev.inflight.protocol.cluster.CheckpointRef;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** A {@link ShardRestore} with the hosts behind it. */
final class LostShards {
    private final String restorePrefix;
    private final CheckpointRef checkpoint;
    private final ShardSet lost;
    private final ShardRestore restore;
    private final Map<String, FleetHost> hosts;
    private final Map<String, Integer> tasks = new HashMap<>();

    /** @param restorePrefix unique to this instance; begins the ids of its restores */
    LostShards(String restorePrefix, CheckpointRef checkpoint, Preparation.ShardsLost lost, Fleet fleet) {
        this.restorePrefix = restorePrefix;
        this.checkpoint = checkpoint;
        this.lost = lost.lost();
        this.restore = new ShardRestore(lost.holders(), lost.others());
        this.hosts = new HashMap<>(fleet.hosts());
    }

    List<Action> begin() {
        return ask(restore.assign(lost));
    }

    List<Action> answered(String restoreId, @Nullable String failure) {
        Integer task = tasks.remove(restoreId);
        if (task == null) {
            return List.of();
        }
        if (failure == null) {
            restore.loaded(task);
            return List.of();
        }
        return ask(restore.failed(task, failure));
    }

    List<Action> onFleet(Fleet fleet) {
        List<Action> actions = new ArrayList<>();
        for (FleetHost host : List.copyOf(hosts.values())) {
            if (!fleet.isLiveHost(host.name(), host.ref())) {
                hosts.remove(host.name());
                actions.addAll(ask(restore.lost(host.name())));
            }
        }
        return actions;
    }

    boolean done() {
        return restore.done();
    }

    @Nullable
    String failure() {
        return restore.failure();
    }

    /** Adds what was restored to what had been before. */
    Map<String, ShardSet> restored(Map<String, ShardSet> before) {
        Map<String, ShardSet> all = new TreeMap<>(before);
        restore.restored().forEach((host, shards) -> all.merge(host, shards, ShardSet::plus));
        return Map.copyOf(all);
    }

    private List<Action> ask(List<ShardRestore.Task> assigned) {
        List<Action> actions = new ArrayList<>();
        for (ShardRestore.Task task : assigned) {
            FleetHost host = hosts.get(task.host());
            if (host != null) {
                String restoreId = restorePrefix + "/" + task.id();
                tasks.put(restoreId, task.id());
                actions.add(new UpdateCourse.ToHost(host, restoreId, checkpoint, task.shards()));
            }
        }
        return actions;
    }
}
