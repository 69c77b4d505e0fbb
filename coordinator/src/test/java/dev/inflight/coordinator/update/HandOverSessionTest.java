package dev.inflight.coordinator.update;

import static dev.inflight.coordinator.TestFleet.checkpoint;
import static dev.inflight.coordinator.TestFleet.held;
import static dev.inflight.coordinator.TestFleet.serving;
import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import com.typesafe.config.ConfigFactory;
import dev.inflight.coordinator.TestFleet;
import dev.inflight.coordinator.fleet.WorkerClaims;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreCommand.Dismiss;
import dev.inflight.protocol.cluster.HostStoreCommand.Restore;
import dev.inflight.protocol.cluster.HostStoreEvent.LoadFailed;
import dev.inflight.protocol.cluster.HostStoreEvent.Loaded;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.ShardRange;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class HandOverSessionTest {
    private static final CheckpointRef V1 = checkpoint("v1", 3);

    private final ActorTestKit kit = ActorTestKit.create(
            ConfigFactory.parseString("akka.actor.provider = local").withFallback(ConfigFactory.load()));
    private final WorkerClaims claims = new WorkerClaims();
    private final TestFleet fleet = new TestFleet(kit)
            .host("h1", held(V1, 0, 1))
            .host("h2", held(V1, 1, 2))
            .host("h3")
            .worker("h1/0", serving("e1", "v1"))
            .leaving("h1");

    @AfterEach
    void stop() {
        kit.shutdownTestKit();
    }

    @Test
    void dismissesAHostOnceAnotherHasWhatItAloneHeld() {
        start();
        Restore restore = host("h2").expectMessageClass(Restore.class);
        assertThat(restore.shards()).containsExactly(new ShardRange(0, 0));
        assertThat(restore.sources()).extracting(Membership.Host::name).containsExactly("h1");
        host("h1").expectNoMessage(Duration.ofMillis(100));
        restore.replyTo().tell(new Loaded("h2", restore.publishId(), V1.digest(), 1, 0, 0));
        host("h1").expectMessageClass(Dismiss.class);
    }

    @Test
    void asksAnotherHostIfOneCanNotAndThenLetsItGo() {
        start();
        for (String name : List.of("h2", "h3")) {
            Restore restore = host(name).expectMessageClass(Restore.class);
            restore.replyTo().tell(new LoadFailed(name, restore.publishId(), "no such file"));
        }
        host("h1").expectMessageClass(Dismiss.class);
    }

    @Test
    void dismissesAtOnceAHostThatOthersDoNotNeed() {
        fleet.host("h3", held(V1, 0, 0));
        start();
        host("h1").expectMessageClass(Dismiss.class);
        host("h2").expectNoMessage(Duration.ZERO);
    }

    @Test
    void waitsForWhatTheHostsWorkersTakePartIn() {
        fleet.host("h3", held(V1, 0, 0));
        claims.claim("update", Set.of("h1/0"));
        ActorRef<HandOverSession.Command> session = start();
        host("h1").expectNoMessage(Duration.ofMillis(100));
        claims.release("update");
        session.tell(new HandOverSession.FleetChanged(fleet.view()));
        host("h1").expectMessageClass(Dismiss.class);
    }

    @Test
    void aHostThatLeavesTooTakesNothingOver() {
        fleet.leaving("h2");
        start();
        assertThat(host("h3").expectMessageClass(Restore.class).shards()).containsExactly(new ShardRange(0, 1));
    }

    @Test
    void endsWithTheHost() {
        ActorRef<HandOverSession.Command> session = start();
        fleet.withoutHost("h1");
        session.tell(new HandOverSession.FleetChanged(fleet.view()));
        kit.createTestProbe().expectTerminated(session, Duration.ofSeconds(3));
    }

    private ActorRef<HandOverSession.Command> start() {
        return kit.spawn(HandOverSession.create(fleet.view().hosts().get("h1"), List.of(V1), fleet.view(), claims));
    }

    private TestProbe<HostStoreCommand> host(String name) {
        return fleet.hosts.get(name);
    }
}
