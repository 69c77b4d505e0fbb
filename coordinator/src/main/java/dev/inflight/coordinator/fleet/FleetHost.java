package dev.inflight.coordinator.fleet;

import akka.actor.typed.ActorRef;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent.Held;
import dev.inflight.protocol.cluster.HostStoreEvent.HostState;
import dev.inflight.protocol.plan.Place;
import java.util.List;

/** A live host store and what it last reported. */
public record FleetHost(ActorRef<HostStoreCommand> ref, HostState state) {
    public String name() {
        return state.host();
    }

    public String endpoint() {
        return state.endpoint();
    }

    public List<Held> held() {
        return state.held();
    }

    /** Whether it is about to stop. */
    public boolean leaving() {
        return state.leaving();
    }

    public Place place() {
        return state.place();
    }

    /**
     * Shards of a checkpoint in this store. Equal bytes published under two versions are the same shards, so names are
     * not compared.
     */
    public ShardSet shards(CheckpointRef checkpoint) {
        return shards(state.held(), checkpoint);
    }

    /** Shards of a checkpoint that this host is replicating and does not hold yet. */
    public ShardSet coming(CheckpointRef checkpoint) {
        return shards(state.coming(), checkpoint).minus(shards(checkpoint));
    }

    private static ShardSet shards(List<Held> list, CheckpointRef checkpoint) {
        return list.stream()
                .filter(held -> held.checkpoint().digest().equals(checkpoint.digest())
                        && held.checkpoint().shardCount() == checkpoint.shardCount()
                        && held.checkpoint().maxPartBytes() == checkpoint.maxPartBytes())
                .map(held -> ShardSet.of(held.shards()))
                .reduce(ShardSet.EMPTY, ShardSet::plus);
    }
}
