package dev.inflight.coordinator.update;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetHost;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.coordinator.fleet.JoinSources;
import dev.inflight.coordinator.fleet.ShardSet;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.plan.Membership;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Where the shards are that an engine's host lacks for a join. Hosts that hold shards are sources, and so are those that
 * are replicating them, unless they take shards from this very host: two that wait for each other would get nowhere.
 */
final class JoinMembership {
    private final FleetWorker joiner;
    private final FleetHost own;
    private final CheckpointRef checkpoint;
    private final Map<String, ShardSet> restored;
    private final Fleet fleet;

    /** @param restored shards that hosts loaded again, which their own reports may not show yet */
    JoinMembership(
            FleetWorker joiner, FleetHost own, CheckpointRef checkpoint, Map<String, ShardSet> restored, Fleet fleet) {
        this.joiner = joiner;
        this.own = own;
        this.checkpoint = checkpoint;
        this.restored = restored;
        this.fleet = fleet;
    }

    /** Shards that no live host holds. */
    ShardSet lost() {
        ShardSet held = ShardSet.EMPTY;
        for (FleetHost host : fleet.hosts().values()) {
            held = held.plus(shards(host));
        }
        return ShardSet.all(checkpoint.shardCount()).minus(held);
    }

    /**
     * Hosts in it are the engine's own and, if that one lacks shards, its sources, to which the join is pointed: joins
     * that begin at the same time must know of each other, or all would take everything from the same host.
     */
    Membership membership(String join, JoinSources sources) {
        synchronized (sources) {
            Membership membership = at(join, sources);
            sources.point(
                    join,
                    own.name(),
                    checkpoint.digest(),
                    membership.hosts().stream()
                            .map(Membership.Host::name)
                            .filter(host -> !host.equals(own.name()))
                            .toList());
            return membership;
        }
    }

    private Membership at(String join, JoinSources sources) {
        boolean complete = shards(own).size() == checkpoint.shardCount();
        List<Membership.Host> hosts = new ArrayList<>();
        for (FleetHost host : fleet.hosts().values()) {
            boolean self = host.name().equals(own.name());
            ShardSet coming = self || complete || sources.takes(host.name(), own.name())
                    ? ShardSet.EMPTY
                    : coming(host, join, sources);
            if (self || (!complete && !(shards(host).isEmpty() && coming.isEmpty()))) {
                hosts.add(new Membership.Host(
                        host.name(),
                        host.endpoint(),
                        shards(host).ranges(),
                        host.place(),
                        coming.ranges(),
                        sources.uploads(join, host.name())));
            }
        }
        int index = hosts.stream().map(Membership.Host::name).toList().indexOf(own.name());
        return new Membership(hosts, List.of(new Membership.Worker(joiner.id(), index, true)));
    }

    private ShardSet coming(FleetHost host, String join, JoinSources sources) {
        ShardSet coming = sources.brings(join, checkpoint.digest(), host.name())
                ? ShardSet.all(checkpoint.shardCount())
                : host.coming(checkpoint);
        return coming.minus(shards(host));
    }

    private ShardSet shards(FleetHost host) {
        return host.shards(checkpoint).plus(restored.getOrDefault(host.name(), ShardSet.EMPTY));
    }
}
