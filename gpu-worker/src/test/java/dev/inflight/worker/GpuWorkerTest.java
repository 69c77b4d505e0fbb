package dev.inflight.worker;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.FishingOutcomes;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import com.typesafe.config.ConfigFactory;
import dev.inflight.engine.ReferenceEngine;
import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.checkpoint.LayoutDigest;
import dev.inflight.protocol.checkpoint.SafetensorsWriter;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.Exchange;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.ShardRange;
import dev.inflight.protocol.plan.Slots;
import dev.inflight.worker.device.HostDevice;
import dev.inflight.worker.device.Pinning;
import dev.inflight.worker.device.ShmNames;
import dev.inflight.worker.link.EngineUsers;
import dev.inflight.worker.metrics.WorkerMetrics;
import dev.inflight.worker.store.CheckpointFiles;
import dev.inflight.worker.store.HostStore;
import dev.inflight.worker.update.JoinSettings;
import dev.inflight.worker.update.Peers;
import dev.inflight.worker.update.Plans;
import dev.inflight.worker.update.Traces;
import dev.inflight.worker.update.TransferHub;
import dev.inflight.worker.update.UpdateContext;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The worker's actor with a real engine, store and device; the test plays the coordinator. */
class GpuWorkerTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final ActorTestKit KIT = ActorTestKit.create(
            ConfigFactory.parseString("akka.actor.provider = local, akka.fail-mixed-versions = off"));

    @TempDir
    Path directory;

    private HostStore store;
    private HostDevice device;
    private ActorRef<WorkerCommand> worker;
    private TestProbe<WorkerEvent> coordinator;

    @BeforeEach
    void start() {
        var names = new ShmNames(Path.of("/dev/shm"), "gpu-worker-test");
        store = new HostStore("h", names, Pinning.NONE, 1, PATIENCE, PATIENCE);
        device = new HostDevice(names, 3 << 20);
        var hub = new TransferHub("here", PATIENCE);
        var peers = new Peers("127.0.0.1:1", hub, "here", PATIENCE);
        var update = new UpdateContext(
                "h/0",
                store,
                device,
                hub,
                peers,
                new JoinSettings("", 2, PATIENCE),
                new Traces(null),
                PATIENCE,
                PATIENCE,
                null,
                new Plans());
        var socket = directory.resolve("w.sock");
        worker = KIT.spawn(GpuWorker.create(
                "h", EngineLabels.NONE, socket, EngineUsers.OWN, Duration.ofMillis(100), update, new WorkerMetrics()));
        coordinator = KIT.createTestProbe();
        worker.tell(new WorkerCommand.Subscribe(coordinator.getRef()));
        startEngine(socket);
        await(state -> state.engine() != null);
    }

    private void startEngine(Path socket) {
        Thread.ofPlatform().daemon().start(() -> {
            try {
                ReferenceEngine.main(
                        "--link", socket.toString(),
                        "--id", "engine",
                        "--model", "m",
                        "--modes", "in-place,shadow",
                        "--http-port", "0",
                        "--announce", directory.resolve("engine.json").toString());
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }

    @AfterEach
    void stop() {
        KIT.stop(worker);
        device.close();
        store.close();
    }

    @AfterAll
    static void stopActors() {
        KIT.shutdownTestKit();
    }

    @Test
    void anUpdateGoesThroughAllItsPhasesAndACommitMayBeRepeated() throws Exception {
        var first = publish("v1");
        stage(1, first, LoadMode.IN_PLACE);
        worker.tell(new WorkerCommand.Commit(1));
        var committed = expect(WorkerEvent.Committed.class);
        var serving = await(state -> isServing(state, "v1"));
        assertThat(serving.session()).isNotNull();
        assertThat(serving.session().phase()).isEqualTo(WorkerEvent.Session.Phase.COMMITTED);
        worker.tell(new WorkerCommand.Commit(1));
        assertThat(expect(WorkerEvent.Committed.class)).isEqualTo(committed);
    }

    @Test
    void everyAbortOfAnUpdateIsAnsweredOnceItIsOver() throws Exception {
        var first = publish("v1");
        stage(1, first, LoadMode.IN_PLACE);
        var impatient = KIT.<WorkerEvent>createTestProbe();
        worker.tell(new WorkerCommand.Abort(1, "test", coordinator.getRef()));
        worker.tell(new WorkerCommand.Abort(1, "test", impatient.getRef()));
        worker.tell(new WorkerCommand.Abort(1, "test", coordinator.getRef()));
        assertThat(expect(WorkerEvent.Aborted.class).engine().state()).isEqualTo(EngineStatus.State.PENDING_WEIGHTS);
        assertThat(impatient
                        .expectMessageClass(WorkerEvent.Aborted.class, PATIENCE)
                        .engine()
                        .state())
                .isEqualTo(EngineStatus.State.PENDING_WEIGHTS);
        stage(2, first, LoadMode.IN_PLACE);
        worker.tell(new WorkerCommand.Commit(2));
        await(state -> isServing(state, "v1"));
    }

    @Test
    void aShadowUpdateAbortedWhenStagedLeavesTheOldVersionServing() throws Exception {
        update(1, publish("v1"), LoadMode.IN_PLACE);
        stage(2, publish("v2"), LoadMode.SHADOW);
        worker.tell(new WorkerCommand.Abort(2, "test", coordinator.getRef()));
        var engine = expect(WorkerEvent.Aborted.class).engine();
        assertThat(engine.state()).isEqualTo(EngineStatus.State.SERVING);
        assertThat(engine.version()).isEqualTo("v1");
    }

    @Test
    void commandsOfAnOlderEpochChangeNothing() throws Exception {
        var first = publish("v1");
        update(7, first, LoadMode.IN_PLACE);
        worker.tell(prepare(7, publish("v2"), LoadMode.SHADOW));
        assertThat(expect(WorkerEvent.PrepareRefused.class).message()).contains("epoch 7");
        worker.tell(new WorkerCommand.Stream(3));
        worker.tell(new WorkerCommand.Commit(3));
        worker.tell(new WorkerCommand.Abort(3, "late", coordinator.getRef()));
        assertThat(expect(WorkerEvent.Aborted.class).engine().version()).isEqualTo("v1");
        stage(8, first, LoadMode.SHADOW);
    }

    @Test
    void anUpdateThatNoCoordinatorComesBackForIsTakenBack() throws Exception {
        update(1, publish("v1"), LoadMode.IN_PLACE);
        stage(2, publish("v2"), LoadMode.SHADOW);
        coordinator.stop();
        var observer = KIT.<WorkerEvent>createTestProbe();
        observer.awaitAssert(PATIENCE, () -> {
            // An abort of a finished epoch changes nothing and tells how the engine is.
            worker.tell(new WorkerCommand.Abort(1, "only to ask", observer.getRef()));
            var engine = observer.expectMessageClass(WorkerEvent.Aborted.class).engine();
            assertThat(engine.state()).isEqualTo(EngineStatus.State.SERVING);
            assertThat(engine.version()).isEqualTo("v1");
            return engine;
        });
        // It shows until a coordinator has settled it.
        worker.tell(new WorkerCommand.Subscribe(observer.getRef()));
        assertThat(observer.expectMessageClass(WorkerEvent.WorkerState.class, PATIENCE)
                        .session())
                .isEqualTo(new WorkerEvent.Session(2, "update-2", 1, WorkerEvent.Session.Phase.GIVEN_UP, "v1"));
        worker.tell(new WorkerCommand.Abort(2, "test", observer.getRef()));
        assertThat(observer.expectMessageClass(WorkerEvent.WorkerState.class, PATIENCE)
                        .session())
                .isNull();
    }

    private void update(long epoch, CheckpointRef target, LoadMode mode) {
        stage(epoch, target, mode);
        worker.tell(new WorkerCommand.Commit(epoch));
        expect(WorkerEvent.Committed.class);
    }

    private void stage(long epoch, CheckpointRef target, LoadMode mode) {
        worker.tell(prepare(epoch, target, mode));
        expect(WorkerEvent.Prepared.class);
        worker.tell(new WorkerCommand.Begin(epoch));
        expect(WorkerEvent.Begun.class);
        worker.tell(new WorkerCommand.Stream(epoch));
        expect(WorkerEvent.Staged.class);
    }

    private WorkerCommand.Prepare prepare(long epoch, CheckpointRef target, LoadMode mode) {
        var membership = new Membership(
                List.of(new Membership.Host("h", "127.0.0.1:1", List.of(new ShardRange(0, 0)))),
                List.of(new Membership.Worker("h/0", 0, true)));
        return new WorkerCommand.Prepare(
                epoch,
                "update-" + epoch,
                target,
                mode,
                Strategy.BROADCAST,
                membership,
                new Slots(3, 1 << 20, "test"),
                Exchange.TRANSFERS,
                PATIENCE.toMillis(),
                coordinator.getRef());
    }

    private CheckpointRef publish(String version) throws Exception {
        var file = directory.resolve(version + ".safetensors");
        var bytes = new byte[2_500_000];
        bytes[0] = (byte) version.hashCode();
        SafetensorsWriter.write(
                file,
                Map.of(),
                List.of(SafetensorsWriter.Tensor.of("w", Dtype.U8, List.of((long) bytes.length), bytes)));
        try (var files = CheckpointFiles.open(file)) {
            var order = new HostStoreCommand.Load(
                    "publish-" + version,
                    "m",
                    version,
                    file.toString(),
                    LayoutDigest.of(files.layout()),
                    1,
                    1 << 20,
                    List.of(new HostStoreCommand.Holder("h", "127.0.0.1:1", List.of(new ShardRange(0, 0)))),
                    KIT.<HostStoreEvent>createTestProbe().getRef());
            return store.load(order, loaded -> {}).ref();
        }
    }

    private static boolean isServing(WorkerEvent.WorkerState state, String version) {
        return state.engine() != null
                && state.engine().state() == EngineStatus.State.SERVING
                && version.equals(state.engine().version());
    }

    /** The next event of a type, skipping state reports and progress. */
    private <T extends WorkerEvent> T expect(Class<T> type) {
        return type.cast(coordinator
                .fishForMessage(
                        PATIENCE,
                        event -> type.isInstance(event)
                                ? FishingOutcomes.complete()
                                : event instanceof WorkerEvent.WorkerState || event instanceof WorkerEvent.Progress
                                        ? FishingOutcomes.continueAndIgnore()
                                        : FishingOutcomes.fail(event.toString()))
                .getLast());
    }

    private WorkerEvent.WorkerState await(Predicate<WorkerEvent.WorkerState> condition) {
        return (WorkerEvent.WorkerState) coordinator
                .fishForMessage(
                        PATIENCE,
                        event -> event instanceof WorkerEvent.WorkerState state && condition.test(state)
                                ? FishingOutcomes.complete()
                                : FishingOutcomes.continueAndIgnore())
                .getLast();
    }
}
