package dev.inflight.coordinator.update;

import akka.actor.typed.ActorRef;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetHost;
import dev.inflight.coordinator.fleet.ShardSet;
import dev.inflight.coordinator.update.UpdateCourse.Action;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.plan.Membership;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Finds hosts that stand in for the lost owners of one round. Those whose stores hold what the owners had do it at once;
 * what none holds is loaded again first. A stand-in that is lost is replaced in the same way, as long as there are hosts.
 * Decisions only.
 */
final class OwnerRepair {
    private final String prefix;
    private final CheckpointRef checkpoint;
    private final Round round;
    private final Map<String, ShardSet> owned;
    private final Set<String> memberHosts;
    private final Map<String, Again> again = new HashMap<>();
    private final SortedSet<String> standIns = new TreeSet<>();
    private SortedSet<String> owners = new TreeSet<>();
    private List<SortedSet<String>> toldOwners = List.of();
    private List<Membership.Host> toldHosts = List.of();
    private @Nullable LostShards restore;
    private @Nullable String failure;
    private int restores;
    private long restoredBytes;

    /** What a host loaded again, which its reports may not show yet; another host of that name knows nothing of it. */
    private record Again(ActorRef<HostStoreCommand> ref, ShardSet shards) {}

    /**
     * @param prefix begins the ids of its restores
     * @param owned shards that owners move, by worker
     * @param round whose owners they are
     */
    OwnerRepair(String prefix, CheckpointRef checkpoint, Map<String, ShardSet> owned, Round round) {
        this.prefix = prefix;
        this.checkpoint = checkpoint;
        this.round = round;
        this.owned = owned;
        this.memberHosts =
                round.members().values().stream().map(worker -> worker.host()).collect(Collectors.toSet());
    }

    /** What an owner's loss, or a change of the fleet, calls for. */
    List<Action> follow(UpdateAttempt attempt, Fleet fleet) {
        SortedSet<String> lost = attempt.lostOwners();
        if (lost.isEmpty() || failure != null) {
            return List.of();
        }
        List<Action> actions = new ArrayList<>();
        LostShards running = restore;
        if (running != null) {
            actions.addAll(running.onFleet(fleet));
            settle(running, fleet);
        }
        again.entrySet()
                .removeIf(entry ->
                        !fleet.isLiveHost(entry.getKey(), entry.getValue().ref()));
        ShardSet needed = lost.stream().map(this::owned).reduce(ShardSet.EMPTY, ShardSet::plus);
        List<Membership.Host> holders = holders(needed, fleet);
        ShardSet nowhere = needed;
        for (Membership.Host host : holders) {
            nowhere = nowhere.minus(ShardSet.of(host.shards()));
        }
        List<Membership.Host> hosts = nowhere.isEmpty() ? holders : List.of();
        List<SortedSet<String>> lostTo =
                attempt.active().stream().map(attempt::lostTo).toList();
        if (!lostTo.equals(toldOwners) || !hosts.equals(toldHosts)) {
            actions.add(new UpdateCourse.Repairing(round, hosts));
        }
        owners = lost;
        toldOwners = lostTo;
        toldHosts = hosts;
        standIns.retainAll(fleet.hosts().keySet());
        hosts.forEach(host -> standIns.add(host.name()));
        if (!nowhere.isEmpty() && restore == null && failure == null) {
            actions.addAll(restore(nowhere, fleet));
        }
        return actions;
    }

    /** @param problem why the shards are not back; null if they are */
    List<Action> answered(String restoreId, @Nullable String problem, long bytes) {
        LostShards running = restore;
        restoredBytes += running == null ? 0 : bytes;
        return running == null ? List.of() : running.answered(restoreId, problem);
    }

    private void settle(LostShards running, Fleet fleet) {
        failure = running.failure();
        if (failure == null && running.done()) {
            running.restored(Map.of()).forEach((name, shards) -> {
                FleetHost host = fleet.hosts().get(name);
                if (host != null) {
                    again.merge(
                            name,
                            new Again(host.ref(), shards),
                            (before, more) ->
                                    new Again(more.ref(), before.shards().plus(more.shards())));
                }
            });
            restore = null;
        }
    }

    private List<Action> restore(ShardSet nowhere, Fleet fleet) {
        // Members know the checkpoint, so they need not read all of it to be sure of its files.
        List<String> first = new ArrayList<>();
        List<String> others = new ArrayList<>();
        fleet.hosts().values().stream()
                .filter(host -> !host.leaving())
                .forEach(host -> (memberHosts.contains(host.name()) ? first : others).add(host.name()));
        LostShards next = new LostShards(
                prefix + "/repair-" + restores++,
                checkpoint,
                new Preparation.ShardsLost(nowhere, first, others),
                fleet);
        restore = next;
        List<Action> actions = next.begin();
        failure = next.failure();
        return actions;
    }

    /** A host that is about to stop waits for its workers' updates only. */
    private List<Membership.Host> holders(ShardSet needed, Fleet fleet) {
        List<Membership.Host> holders = new ArrayList<>();
        for (FleetHost host : fleet.hosts().values()) {
            ShardSet shards = shards(host).and(needed);
            if (!shards.isEmpty() && (!host.leaving() || memberHosts.contains(host.name()))) {
                holders.add(new Membership.Host(host.name(), host.endpoint(), shards.ranges()));
            }
        }
        return holders;
    }

    private ShardSet shards(FleetHost host) {
        Again loaded = again.get(host.name());
        return host.shards(checkpoint).plus(loaded == null ? ShardSet.EMPTY : loaded.shards());
    }

    private ShardSet owned(String owner) {
        return owned.getOrDefault(owner, ShardSet.EMPTY);
    }

    /** Whether shards are being loaded again. */
    boolean restoring() {
        return restore != null;
    }

    /** Why nobody can stand in; null while that may still be. */
    @Nullable
    String failure() {
        return failure;
    }

    /** What came of it; null if no owner was lost while it was needed. */
    UpdateResult.@Nullable Repair result() {
        return owners.isEmpty()
                ? null
                : new UpdateResult.Repair(List.copyOf(owners), List.copyOf(standIns), restoredBytes);
    }
}
