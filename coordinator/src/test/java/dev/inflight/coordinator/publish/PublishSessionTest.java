package dev.inflight.coordinator.publish;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.FishingOutcomes;
import akka.actor.testkit.typed.javadsl.ManualTime;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import com.typesafe.config.ConfigFactory;
import dev.inflight.coordinator.TestFleet;
import dev.inflight.coordinator.session.SessionEvent;
import dev.inflight.coordinator.session.SessionEvent.NotTaken;
import dev.inflight.coordinator.session.SessionEvent.PublishEnded;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.HostStoreCommand.Inspect;
import dev.inflight.protocol.cluster.HostStoreCommand.Load;
import dev.inflight.protocol.cluster.HostStoreCommand.Restore;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.cluster.HostStoreEvent.InspectRefused;
import dev.inflight.protocol.cluster.HostStoreEvent.Inspected;
import dev.inflight.protocol.cluster.HostStoreEvent.LoadFailed;
import dev.inflight.protocol.cluster.HostStoreEvent.LoadProgress;
import dev.inflight.protocol.cluster.HostStoreEvent.Loaded;
import dev.inflight.protocol.cluster.OperationReply.Refused.Code;
import dev.inflight.protocol.plan.ShardRange;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class PublishSessionTest {
    private final ActorTestKit kit = ActorTestKit.create(ManualTime.config()
            .withFallback(ConfigFactory.parseString("akka.actor.provider = local"))
            .withFallback(ConfigFactory.load()));
    private final ManualTime time = ManualTime.get(kit.system());
    private final TestProbe<SessionEvent> parent = kit.createTestProbe(SessionEvent.class);
    private final TestFleet fleet = new TestFleet(kit);
    private final PublishSettings settings = TestFleet.settings("").publish();

    @BeforeEach
    void twoHostsWithThreeWorkers() {
        fleet.host("h1").host("h2").worker("h1/0", null).worker("h1/1", null).worker("h2/0", null);
    }

    @AfterEach
    void stop() {
        kit.shutdownTestKit();
    }

    @Test
    void givesEveryWorkerAShardOnItsOwnHost() {
        start();
        inspect("h1", "layout");
        inspect("h2", "layout");
        Load load = load("h1");
        assertThat(load.shardCount()).isEqualTo(3);
        assertThat(load.holders().get(0).shards()).containsExactly(new ShardRange(0, 1));
        assertThat(load.holders().get(1).shards()).containsExactly(new ShardRange(2, 2));
    }

    @Test
    void splitsTheSameSourceUnderAnotherVersionAsBefore() {
        long mib = 1 << 20;
        published = List.of(new CheckpointRef("m", "v0", "d", "/ckpt", 2, 7 * mib, 3, 64 * mib, mib));
        start();
        inspect("h1", "layout");
        inspect("h2", "layout");
        Load load = load("h1");
        assertThat(load.shardCount()).isEqualTo(2);
        assertThat(load.maxPartBytes()).isEqualTo(7 * mib);
    }

    @Test
    void hasEndedVisiblyOnceEveryHostShowsItsShards() {
        ActorRef<HostStoreEvent> answers = loading();
        answers.tell(new Loaded("h1", "p", "d", 8, 400_000, 250_000));
        answers.tell(new Loaded("h2", "p", "d", 8, 500_000, 100_000));
        PublishEnded ended = ended();
        assertThat(ended.operation().resultJson()).contains("\"touchSeconds\":0.5,\"registerSeconds\":0.25");
        assertThat(ended.visibleIn(fleet.view())).isFalse();
        fleet.host("h1", TestFleet.held(ended.checkpoint(), 0, 1)).host("h2", TestFleet.held(ended.checkpoint(), 2, 2));
        assertThat(ended.visibleIn(fleet.view())).isTrue();
    }

    @Test
    void loadsOnTheHostsThatSeeTheSourceOnly() {
        start();
        inspect("h1", "layout");
        Inspect asked = fleet.hosts.get("h2").expectMessageClass(Inspect.class);
        asked.replyTo().tell(new InspectRefused("h2", "p", InspectRefused.Reason.NOT_FOUND, "no such file"));
        Load load = load("h1");
        assertThat(load.holders())
                .singleElement()
                .satisfies(holder -> assertThat(holder.host()).isEqualTo("h1"));
        load.replyTo().tell(new Loaded("h1", "p", "d", 8, 0, 0));
        assertThat(ended().checkpoint().digest()).isEqualTo("d");
    }

    @Test
    void refusesWhenHostsSeeDifferentFiles() {
        start();
        inspect("h1", "layout");
        inspect("h2", "other");
        assertThat(parent.expectMessageClass(NotTaken.class).refused().message())
                .contains("different checkpoints", "h1", "h2");
    }

    @Test
    void leavesOutAHostThatDoesNotAnswerTheInspection() {
        start();
        inspect("h1", "layout");
        time.timePasses(settings.inspectTimeout());
        assertThat(load("h1").holders()).hasSize(1);
    }

    @Test
    void refusesWhenNoHostAnswersTheInspection() {
        start();
        fleet.hosts.get("h1").expectMessageClass(Inspect.class);
        time.timePasses(settings.inspectTimeout());
        assertThat(parent.expectMessageClass(NotTaken.class).refused().code()).isEqualTo(Code.UNAVAILABLE);
    }

    @Test
    void failsAndSaysWhatWasLoadedWhenAHostFails() {
        ActorRef<HostStoreEvent> answers = loading();
        answers.tell(new Loaded("h1", "p", "d", 8, 0, 0));
        answers.tell(new LoadFailed("h2", "p", "disk error"));
        PublishEnded ended = ended();
        assertThat(ended.operation().error()).isEqualTo("host h2: disk error");
        assertThat(ended.loaded()).containsExactly("d");
    }

    @Test
    void failsWhenHostsLoadedDifferentBytes() {
        ActorRef<HostStoreEvent> answers = loading();
        answers.tell(new Loaded("h1", "p", "d1", 8, 0, 0));
        answers.tell(new Loaded("h2", "p", "d2", 8, 0, 0));
        assertThat(ended().operation().error()).contains("d1 on h1", "d2 on h2");
    }

    @Test
    void failsWhenALoadingHostIsLost() {
        start();
        PublishEnded ended = loseWhileLoading("h2");
        assertThat(ended.operation().error()).contains("host h2 was lost");
    }

    @Test
    void failsWhenNothingIsLoadedForTooLong() {
        ActorRef<HostStoreEvent> answers = loading();
        time.timePasses(settings.stallTimeout().minusSeconds(1));
        answers.tell(new LoadProgress("h1", "p", 4));
        time.timePasses(settings.progressInterval());
        parent.fishForMessage(
                Duration.ofSeconds(3),
                event -> event instanceof SessionEvent.Running running
                                && running.operation().doneBytes() == 4
                        ? FishingOutcomes.complete()
                        : FishingOutcomes.continueAndIgnore());
        time.timePasses(settings.stallTimeout());
        assertThat(ended().operation().error()).contains("no host loaded anything");
    }

    @Test
    void aLentCheckpointIsLoadedWholeByItsHostAndSpreadFromThere() {
        start("arena:h1-0123456789ab");
        inspect("h1", "layout");
        fleet.hosts.get("h2").expectNoMessage();
        Load load = load("h1");
        assertThat(load.shardCount()).isEqualTo(3);
        assertThat(load.holders())
                .singleElement()
                .satisfies(holder -> assertThat(holder.shards()).containsExactly(new ShardRange(0, 2)));
        load.replyTo().tell(new Loaded("h1", "p", "d", 8, 0, 0));

        Restore restore = fleet.hosts.get("h2").expectMessageClass(Restore.class);
        assertThat(restore.shards()).containsExactly(new ShardRange(2, 2));
        assertThat(restore.checkpoint().digest()).isEqualTo("d");
        assertThat(restore.sources())
                .singleElement()
                .satisfies(source -> assertThat(source.name()).isEqualTo("h1"));
        restore.replyTo().tell(new Loaded("h2", "p", "d", 8, 0, 0));
        PublishEnded ended = ended();
        assertThat(ended.operation().resultJson()).contains("\"hosts\":[\"h1\",\"h2\"]");
        fleet.host("h1", TestFleet.held(ended.checkpoint(), 0, 2));
        assertThat(ended.visibleIn(fleet.view())).isFalse();
        fleet.host("h2", TestFleet.held(ended.checkpoint(), 2, 2));
        assertThat(ended.visibleIn(fleet.view())).isTrue();
    }

    @Test
    void aLentCheckpointNeedsTheHostThatLentItsArena() {
        start("arena:h3-0123456789ab");
        NotTaken notTaken = parent.expectMessageClass(NotTaken.class);
        assertThat(notTaken.refused().code()).isEqualTo(Code.NOT_FOUND);
        assertThat(notTaken.refused().message()).contains("source: ", "h3");
    }

    @Test
    void failsWhenAHostCanNotTakeItsShardsOfALentCheckpoint() {
        start("arena:h1-0123456789ab");
        inspect("h1", "layout");
        load("h1").replyTo().tell(new Loaded("h1", "p", "d", 8, 0, 0));
        Restore restore = fleet.hosts.get("h2").expectMessageClass(Restore.class);
        restore.replyTo().tell(new LoadFailed("h2", "p", "no memory"));
        PublishEnded ended = ended();
        assertThat(ended.operation().error()).isEqualTo("host h2: no memory");
        assertThat(ended.loaded()).containsExactly("d");
    }

    private PublishEnded loseWhileLoading(String host) {
        inspect("h1", "layout");
        inspect("h2", "layout");
        load("h1");
        fleet.withoutWorker(host + "/0").withoutHost(host);
        session.tell(new PublishSession.FleetChanged(fleet.view()));
        return ended();
    }

    private ActorRef<HostStoreEvent> loading() {
        start();
        inspect("h1", "layout");
        inspect("h2", "layout");
        load("h2");
        return load("h1").replyTo();
    }

    private ActorRef<PublishSession.Command> session;
    private List<CheckpointRef> published = List.of();

    private void start() {
        start("/ckpt");
    }

    private void start(String source) {
        session = kit.spawn(PublishSession.create(new PublishStart(
                "p",
                "m",
                "v1",
                source,
                null,
                published,
                List.of(),
                fleet.view(),
                settings,
                () -> 0L,
                parent.getRef())));
    }

    private void inspect(String host, String layout) {
        Inspect inspect = fleet.hosts.get(host).expectMessageClass(Inspect.class);
        inspect.replyTo().tell(new Inspected(host, "p", layout, 3, 64 << 20, 1 << 20, false));
    }

    private Load load(String host) {
        return fleet.hosts.get(host).expectMessageClass(Load.class);
    }

    private PublishEnded ended() {
        return (PublishEnded) parent.fishForMessage(
                        Duration.ofSeconds(3),
                        event -> event instanceof PublishEnded
                                ? FishingOutcomes.complete()
                                : FishingOutcomes.continueAndIgnore())
                .getLast();
    }
}
