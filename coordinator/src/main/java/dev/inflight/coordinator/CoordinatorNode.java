package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Behavior;
import akka.actor.typed.DispatcherSelector;
import akka.actor.typed.Props;
import akka.actor.typed.SupervisorStrategy;
import akka.actor.typed.javadsl.Behaviors;
import akka.cluster.typed.ClusterSingleton;
import akka.cluster.typed.ClusterSingletonSettings;
import akka.cluster.typed.SingletonActor;
import dev.inflight.coordinator.fleet.DeadProcesses;
import dev.inflight.coordinator.http.HttpApi;
import dev.inflight.coordinator.ledger.LedgerReplica;
import dev.inflight.coordinator.ledger.ReplicaCommand;
import dev.inflight.coordinator.metrics.CoordinatorMetrics;
import dev.inflight.protocol.cluster.Wire;
import java.net.URI;
import java.time.Duration;
import java.time.InstantSource;
import java.util.concurrent.CompletionStage;

/**
 * What a node of role {@value CoordinatorSettings#ROLE} runs: the singleton's candidate, a replica of the
 * ledger, who looks after silent members, and the HTTP API.
 */
public final class CoordinatorNode {
    private CoordinatorNode() {}

    /** @param httpUri where the HTTP API listens, with the port it got */
    public record Started(URI httpUri) {}

    /**
     * Starts them. They stop with the actor system's coordinated shutdown.
     *
     * @return completes when the HTTP API listens; fails if it can not
     * @throws dev.inflight.coordinator.ledger.LedgerException if the ledger in the data directory can not be used
     */
    public static CompletionStage<Started> start(ActorSystem<?> system, CoordinatorSettings settings) {
        LedgerReplica.check(settings.dataDir());
        system.systemActorOf(replica(settings), "ledger-replica", DispatcherSelector.blocking());
        CoordinatorMetrics metrics = new CoordinatorMetrics();
        if (DeadProcesses.isUseful(system.settings().config())) {
            system.systemActorOf(DeadProcesses.create(metrics::deadProcess), "dead-processes", Props.empty());
        }
        ActorRef<Wire> coordinator = coordinator(system, settings, metrics);
        return new HttpApi(system, coordinator, settings.http(), metrics).bind().thenApply(Started::new);
    }

    /**
     * A reference to the singleton from any node; only nodes of the role run it.
     *
     * @param metrics told by the singleton if it runs on this node; the first caller's
     */
    static ActorRef<Wire> coordinator(ActorSystem<?> system, CoordinatorSettings settings, CoordinatorMetrics metrics) {
        return ClusterSingleton.get(system)
                .init(SingletonActor.of(supervised(settings, metrics), "update-coordinator")
                        .withSettings(ClusterSingletonSettings.create(system).withRole(CoordinatorSettings.ROLE)));
    }

    /** A disk that was full may not be for ever. */
    static Behavior<ReplicaCommand> replica(CoordinatorSettings settings) {
        return Behaviors.supervise(LedgerReplica.create(
                        settings.dataDir(), settings.ledger().keepEntries()))
                .onFailure(SupervisorStrategy.restartWithBackoff(Duration.ofSeconds(1), Duration.ofSeconds(10), 0.1));
    }

    /** Its state is learned again from the ledger and the fleet, so starting afresh is always safe. */
    static Behavior<Wire> supervised(CoordinatorSettings settings, CoordinatorMetrics metrics) {
        return Behaviors.supervise(
                        UpdateCoordinator.create(settings, System::nanoTime, InstantSource.system(), metrics))
                .onFailure(SupervisorStrategy.restartWithBackoff(Duration.ofMillis(200), Duration.ofSeconds(10), 0.1));
    }
}
