package dev.inflight.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.AddressTerminated;
import akka.actor.PoisonPill;
import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.FishingOutcomes;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Props;
import akka.actor.typed.javadsl.Adapter;
import akka.actor.typed.javadsl.Behaviors;
import akka.cluster.MemberStatus;
import akka.cluster.typed.Cluster;
import akka.cluster.typed.Down;
import akka.cluster.typed.Join;
import akka.event.AddressTerminatedTopic;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetMonitor;
import dev.inflight.protocol.cluster.WorkerCommand;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Two actor systems in a real cluster: one that watches, and a worker host that dies without a word. */
class FleetMonitorTest {
    private static final Config CONFIG = ConfigFactory.parseString("""
            akka.actor.provider = cluster
            akka.remote.artery.canonical { hostname = "127.0.0.1", port = 0 }
            akka.cluster.jmx.multi-mbeans-in-same-jvm = on
            akka.cluster {
              gossip-interval = 100 ms
              retry-unsuccessful-join-after = 500 ms
              leader-actions-interval = 100 ms
              periodic-tasks-initial-delay = 100 ms
              failure-detector { heartbeat-interval = 200 ms, acceptable-heartbeat-pause = 1 s }
            }
            akka.coordinated-shutdown { exit-jvm = off, run-by-actor-system-terminate = off }
            akka.loglevel = ERROR
            """).withFallback(ConfigFactory.load());
    private static final Duration RETRY = Duration.ofMillis(500);
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private final ActorTestKit kit = ActorTestKit.create("inflight", CONFIG);
    private final Cluster cluster = Cluster.get(kit.system());
    private final TestProbe<Fleet> fleets = kit.createTestProbe();
    private ActorSystem<Void> host = startHost(0);
    private @Nullable ActorRef<WorkerCommand> worker;

    FleetMonitorTest() {
        cluster.manager().tell(Join.create(cluster.selfMember().address()));
        kit.spawn(FleetMonitor.create(fleets.getRef(), RETRY));
    }

    @AfterEach
    void stop() {
        host.terminate();
        kit.shutdownTestKit();
    }

    @Test
    void seesAHostThatReturnsAtItsOldAddressBeforeItsDeathIsNoticed() throws Exception {
        join("before");
        kill();
        host = startHost(port());
        join("after");
    }

    @Test
    void seesAHostThatReturnsAtItsOldAddressAfterItWasRemoved() throws Exception {
        join("before");
        int members = members();
        kill();
        cluster.manager().tell(new Down(Cluster.get(host).selfMember().address()));
        fleets.awaitAssert(PATIENCE, () -> {
            assertThat(members()).isLessThan(members);
            return null;
        });
        host = startHost(port());
        join("after");
    }

    /** This is how Akka tells of the end of a member, and it does not say of which of those that had the address. */
    @Test
    void seesAHostAgainThatWasTakenForItsDeadPredecessor() {
        join("before");
        fleets.expectNoMessage(RETRY);
        AddressTerminatedTopic.get(Adapter.toClassic(kit.system()))
                .publish(new AddressTerminated(Cluster.get(host).selfMember().address()));
        await(fleet -> fleet.workers().isEmpty() && fleet.hosts().isEmpty());
        await(fleet -> fleet.hosts().containsKey("h1") && serves(fleet, "before"));
    }

    @Test
    void dropsAWorkerThatStopsAndItsListing() {
        join("before");
        Adapter.toClassic(worker).tell(PoisonPill.getInstance(), akka.actor.ActorRef.noSender());
        await(fleet -> fleet.workers().isEmpty() && fleet.hosts().containsKey("h1"));
    }

    @Test
    void dropsWhatIsGone() throws Exception {
        join("before");
        kill();
        await(fleet -> fleet.workers().isEmpty() && fleet.hosts().isEmpty());
    }

    /** The host's worker serves a version of this name. */
    private void join(String version) {
        host.systemActorOf(FakeHost.create("h1", List.of()), "store", Props.empty());
        worker = host.systemActorOf(FakeWorker.create("h1/0", version, null), "worker", Props.empty());
        Cluster.get(host).manager().tell(Join.create(cluster.selfMember().address()));
        await(fleet -> fleet.hosts().containsKey("h1") && serves(fleet, version));
    }

    private static boolean serves(Fleet fleet, String version) {
        var worker = fleet.workers().get("h1/0");
        return worker != null
                && worker.engine() != null
                && version.equals(worker.engine().version());
    }

    private void await(Predicate<Fleet> told) {
        fleets.fishForMessage(
                PATIENCE, fleet -> told.test(fleet) ? FishingOutcomes.complete() : FishingOutcomes.continueAndIgnore());
    }

    private int members() {
        return (int) StreamSupport.stream(cluster.state().getMembers().spliterator(), false)
                .filter(member -> member.status() != MemberStatus.removed())
                .count();
    }

    private int port() {
        return Cluster.get(host).selfMember().address().getPort().orElseThrow();
    }

    /** Ends the actor system without leaving the cluster. */
    private void kill() throws Exception {
        host.terminate();
        host.getWhenTerminated().toCompletableFuture().get(20, TimeUnit.SECONDS);
    }

    private static ActorSystem<Void> startHost(int port) {
        return ActorSystem.create(
                Behaviors.empty(),
                "inflight",
                ConfigFactory.parseString("akka.remote.artery.canonical.port = " + port)
                        .withFallback(CONFIG));
    }
}
