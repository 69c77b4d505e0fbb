package dev.inflight.worker;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.FishingOutcomes;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.Behavior;
import com.typesafe.config.ConfigFactory;
import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.checkpoint.LayoutDigest;
import dev.inflight.protocol.checkpoint.SafetensorsWriter;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.cluster.HostStoreEvent.HostState;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Place;
import dev.inflight.protocol.plan.ShardRange;
import dev.inflight.worker.device.Pinning;
import dev.inflight.worker.device.ShmNames;
import dev.inflight.worker.store.CheckpointFiles;
import dev.inflight.worker.store.HostStore;
import dev.inflight.worker.transport.PeerServer;
import dev.inflight.worker.update.HostPeerService;
import dev.inflight.worker.update.JoinSettings;
import dev.inflight.worker.update.ShardTaking;
import dev.inflight.worker.update.TransferHub;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HostStoreActorTest {
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final Path SHM = Path.of("/dev/shm");
    private static final Place PLACE = new Place("machine", "rack", "zone");
    private static final ActorTestKit KIT = ActorTestKit.create(
            ConfigFactory.parseString("akka.actor.provider = local, akka.fail-mixed-versions = off"));

    private static final JoinSettings JOINS = new JoinSettings("", 1, PATIENCE);

    @TempDir
    Path directory;

    @AfterAll
    static void stopActors() {
        KIT.shutdownTestKit();
    }

    @Test
    void subscribersHearWhereTheHostIsAndWhatItReplicates() throws Exception {
        TestProbe<HostStoreEvent> coordinator = KIT.createTestProbe();
        try (var source = store("a");
                var store = store("b");
                var server = serve(source)) {
            var target = publish(source, server.endpoint());
            var actor = KIT.spawn(actor(store, new Departure()));
            actor.tell(new HostStoreCommand.Subscribe(coordinator.getRef()));
            assertThat(coordinator.expectMessageClass(HostState.class))
                    .isEqualTo(new HostState("b", "127.0.0.1:1", List.of(), PLACE, List.of(), false, 1 << 20));

            var replica = store.replicate(store.adopt(target, List.of(server.endpoint())));
            assertThat(coordinator.expectMessageClass(HostState.class).coming())
                    .containsExactly(new HostStoreEvent.Held(target, List.of(new ShardRange(0, 0))));

            replica.leave();
            assertThat(coordinator.expectMessageClass(HostState.class).coming()).isEmpty();
        }
    }

    @Test
    void takesShardsOutOfALeavingHostsStoreIfTheirFilesAreGone() throws Exception {
        TestProbe<HostStoreEvent> coordinator = KIT.createTestProbe();
        try (var source = store("a");
                var store = store("b");
                var server = serve(source)) {
            var target = publish(source, server.endpoint());
            Files.delete(Path.of(target.source()));
            var all = List.of(new ShardRange(0, 0));
            var actor = KIT.spawn(actor(store, new Departure()));
            actor.tell(new HostStoreCommand.Restore("r", target, all, coordinator.getRef()));
            expectEnd(coordinator, HostStoreEvent.LoadFailed.class);
            var leaving = new Membership.Host("a", server.endpoint(), all);
            actor.tell(new HostStoreCommand.Restore("r", target, all, List.of(leaving), coordinator.getRef()));
            expectEnd(coordinator, HostStoreEvent.Loaded.class);
            assertThat(store.held()).singleElement().satisfies(held -> {
                assertThat(held.checkpoint()).isEqualTo(target);
                assertThat(held.shards()).isEqualTo(all);
            });
        }
    }

    /** A load that takes its time tells how far it has come. */
    private static void expectEnd(TestProbe<HostStoreEvent> coordinator, Class<? extends HostStoreEvent> end) {
        coordinator.fishForMessage(
                Duration.ofSeconds(10),
                event -> event instanceof HostStoreEvent.LoadProgress
                        ? FishingOutcomes.continueAndIgnore()
                        : end.isInstance(event)
                                ? FishingOutcomes.complete()
                                : FishingOutcomes.fail(event + " instead of " + end.getSimpleName()));
    }

    @Test
    void aHostThatStopsSaysSoAndWaitsToBeDismissed() {
        TestProbe<HostStoreEvent> coordinator = KIT.createTestProbe();
        try (var store = store("b")) {
            var departure = new Departure();
            var actor = KIT.spawn(actor(store, departure));
            actor.tell(new HostStoreCommand.Subscribe(coordinator.getRef()));
            assertThat(coordinator.expectMessageClass(HostState.class).leaving())
                    .isFalse();
            var ended = departure.begin().toCompletableFuture();
            assertThat(coordinator.expectMessageClass(HostState.class).leaving())
                    .isTrue();
            assertThat(ended).isNotDone();
            actor.tell(new HostStoreCommand.Dismiss());
            assertThat(ended).succeedsWithin(PATIENCE);

            var alone = new Departure();
            KIT.spawn(actor(store, alone));
            assertThat(alone.begin().toCompletableFuture())
                    .as("without a coordinator")
                    .succeedsWithin(PATIENCE);
        }
    }

    private static HostStore store(String name) {
        return new HostStore(name, new ShmNames(SHM, "test-" + name), Pinning.NONE, 1, PATIENCE, PATIENCE);
    }

    private static PeerServer serve(HostStore store) throws IOException {
        return PeerServer.start(
                new InetSocketAddress("127.0.0.1", 0),
                "a",
                new HostPeerService(store.forPeers(), new TransferHub("a", PATIENCE), JOINS, null));
    }

    private static Behavior<HostStoreCommand> actor(HostStore store, Departure departure) {
        var taking = new ShardTaking("b", PLACE, store, JOINS, PATIENCE);
        return HostStoreActor.create("b", "127.0.0.1:1", PLACE, store, taking, departure, 1 << 20);
    }

    private CheckpointRef publish(HostStore store, String endpoint) throws Exception {
        var file = directory.resolve("v1.safetensors");
        SafetensorsWriter.write(
                file, Map.of(), List.of(SafetensorsWriter.Tensor.of("t", Dtype.U8, List.of(1000L), new byte[1000])));
        String layout;
        try (var files = CheckpointFiles.open(file)) {
            layout = LayoutDigest.of(files.layout());
        }
        var holder = new HostStoreCommand.Holder("a", endpoint, List.of(new ShardRange(0, 0)));
        var order = new HostStoreCommand.Load(
                "publish",
                "m",
                "v1",
                file.toString(),
                layout,
                1,
                1 << 20,
                List.of(holder),
                KIT.<HostStoreEvent>createTestProbe().getRef());
        return store.load(order, bytes -> {}).ref();
    }
}
