package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import akka.actor.typed.javadsl.ActorContext;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetHost;
import dev.inflight.coordinator.fleet.WorkerClaims;
import dev.inflight.coordinator.update.HandOverSession;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.HostStoreCommand;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** Hosts that are about to stop, with the session of each. Belongs to the coordinator's actor. */
final class Leaves {
    private final ActorContext<?> context;
    private final WorkerClaims claims;
    private final Map<ActorRef<HostStoreCommand>, ActorRef<HandOverSession.Command>> sessions = new HashMap<>();

    Leaves(ActorContext<?> context, WorkerClaims claims) {
        this.context = context;
        this.claims = claims;
    }

    /**
     * The fleet changed, or a worker was released.
     *
     * @param published checkpoints whose shards are to stay
     */
    void observe(Fleet fleet, Collection<CheckpointRef> published) {
        sessions.values().forEach(session -> session.tell(new HandOverSession.FleetChanged(fleet)));
        Set<ActorRef<HostStoreCommand>> live =
                fleet.hosts().values().stream().map(FleetHost::ref).collect(Collectors.toSet());
        sessions.keySet().retainAll(live);
        for (FleetHost host : fleet.hosts().values()) {
            if (host.leaving()) {
                sessions.computeIfAbsent(
                        host.ref(),
                        ref -> context.spawnAnonymous(HandOverSession.create(host, published, fleet, claims)));
            }
        }
    }
}
