package dev.inflight.worker.update;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.typed.ActorRef;
import com.typesafe.config.ConfigFactory;
import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.checkpoint.LayoutDigest;
import dev.inflight.protocol.checkpoint.SafetensorsWriter;
import dev.inflight.protocol.cluster.CheckpointRef;
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
import dev.inflight.worker.cuda.DeviceBuffer;
import dev.inflight.worker.cuda.NeedsGpus;
import dev.inflight.worker.device.CudaDevice;
import dev.inflight.worker.device.Devices;
import dev.inflight.worker.device.ShmNames;
import dev.inflight.worker.link.EngineLink;
import dev.inflight.worker.link.EngineSession;
import dev.inflight.worker.nccl.Communicators;
import dev.inflight.worker.nccl.NcclLibrary;
import dev.inflight.worker.nccl.Rendezvous;
import dev.inflight.worker.store.CheckpointFiles;
import dev.inflight.worker.store.HostStore;
import dev.inflight.worker.transport.PeerServer;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Two workers of this process, each with a GPU and an engine, that exchange buckets by NCCL. */
@NeedsGpus(2)
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class NcclUpdateGpuTest {
    private static final long MIB = 1 << 20;
    private static final int SLOTS = 3;
    private static final long SLOT_BYTES = 2 * MIB;
    private static final int TENSORS = 60;
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private final JoinSettings joins = new JoinSettings("", 2, PATIENCE);
    private static final Duration STALL = Duration.ofSeconds(4);
    private static final ActorTestKit KIT = ActorTestKit.create(
            ConfigFactory.parseString("akka.actor.provider = local, akka.fail-mixed-versions = off"));

    @TempDir
    Path directory;

    private final AtomicInteger idsMade = new AtomicInteger();
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final List<Worker> workers = new ArrayList<>();
    private final Map<String, Map<String, byte[]>> published = new HashMap<>();
    private @Nullable Devices devices;
    private HostStore store;
    private PeerServer server;

    /** A worker without its actor. */
    private record Worker(
            UpdateContext context, CudaDevice device, EngineLink link, EngineSession session, GpuEngine engine) {
        String id() {
            return context.worker();
        }
    }

    @BeforeEach
    void start() throws Exception {
        String file = System.getProperty("inflight.test.nccl");
        Optional<NcclLibrary> found = file == null ? NcclLibrary.load() : Optional.of(NcclLibrary.load(Path.of(file)));
        assumeTrue(found.isPresent(), "no libnccl.so.2 on this machine");
        var nccl = found.get();
        var names = new ShmNames(Path.of("/dev/shm"), "test-nccl");
        var opened = Devices.cuda(2, List.of(), names, SLOTS * SLOT_BYTES, 0.5);
        devices = opened;
        store = new HostStore("h", names, opened.pinning(), 2, PATIENCE, PATIENCE);
        var hub = new TransferHub("nowhere else", PATIENCE);
        var rendezvous = new Rendezvous(
                () -> {
                    idsMade.incrementAndGet();
                    return nccl.newId();
                },
                STALL);
        server = PeerServer.start(
                new InetSocketAddress("127.0.0.1", 0),
                "h",
                new HostPeerService(store.forPeers(), hub, joins, rendezvous),
                PATIENCE);
        for (int index = 0; index < 2; index++) {
            workers.add(worker(index, (CudaDevice) opened.devices().get(index), hub, nccl));
        }
    }

    private Worker worker(int index, CudaDevice device, TransferHub hub, NcclLibrary nccl) throws Exception {
        var id = "h/" + index;
        var context = new UpdateContext(
                id,
                store,
                device,
                hub,
                new Peers(server.endpoint(), hub, "nowhere else", PATIENCE),
                joins,
                new Traces(null),
                PATIENCE,
                PATIENCE,
                new Communicators(nccl, device.context()::makeCurrent, PATIENCE),
                new Plans());
        var attached = new CompletableFuture<EngineSession>();
        var link = EngineLink.listen(directory.resolve(index + ".sock"), id, new EngineLink.Listener() {
            @Override
            public void attached(EngineSession session) {
                attached.complete(session);
            }

            @Override
            public void detached(EngineSession session, String reason) {}
        });
        var engine = GpuEngine.attach(link.socket(), device, rings(device));
        return new Worker(context, device, link, attached.get(20, TimeUnit.SECONDS), engine);
    }

    /** Every update takes the same two again, since idle ones are taken first. */
    private static List<DeviceBuffer> rings(CudaDevice device) {
        try (var own = device.slots(SLOTS, SLOT_BYTES);
                var landing = device.slots(SLOTS, SLOT_BYTES)) {
            return List.of(own.buffer(), landing.buffer());
        }
    }

    @AfterEach
    void stop() throws Exception {
        threads.shutdownNow();
        for (var worker : workers) {
            worker.engine().close();
            worker.link().close();
            assertThat(worker.device().ringsOut())
                    .as("rings that %s did not get back", worker.id())
                    .isZero();
            worker.context().communicators().close();
        }
        if (devices != null) {
            server.close();
            store.close();
            // Fails if a stream, an event or memory was left behind.
            devices.close();
        }
    }

    @AfterAll
    static void stopActors() {
        KIT.shutdownTestKit();
    }

    @Test
    void bothEnginesGetThePublishedBytesAndTheNextUpdateUsesTheSameCommunicator() throws Exception {
        var first = publish("v1", 1);
        var second = publish("v2", 2);
        update(1, first);
        assertEnginesHave("v1", 2);
        update(2, second);
        assertEnginesHave("v2", 2);
        update(3, first);
        assertEnginesHave("v1", 2);
        assertThat(idsMade).hasValue(1);
    }

    @Test
    void aMemberWithoutAnEngineSendsItsBucketsAndDropsTheOthers() throws Exception {
        var target = publish("v1", 1);
        var sessions = sessions(1, target, 1);
        together(sessions, UpdateSession::prepare);
        begin(sessions);
        together(sessions, UpdateSession::stream);
        together(sessions, UpdateSession::commit);
        sessions.forEach(UpdateSession::close);
        assertEnginesHave("v1", 1);
        assertThat(workers.getLast().engine().tensors).isEmpty();
    }

    @Test
    void aSessionThatFailsInMidStreamEndsBothSidesInTimeAndTheNextUpdateWorks() throws Exception {
        var target = publish("v1", 1);
        update(1, target);
        var sessions = sessions(2, target, 2);
        together(sessions, UpdateSession::prepare);
        begin(sessions);
        workers.getFirst().engine().hang();
        var streaming = sessions.stream()
                .map(session -> threads.submit(session::stream))
                .toList();
        workers.getFirst().engine().awaitLoad();
        long failed = System.nanoTime();
        sessions.getFirst().fail("the test ends it", null);
        assertFails(streaming.getFirst(), "the test ends it");
        // Nobody tells the other one: it must notice by itself.
        assertFails(streaming.getLast(), "");
        assertThat(Duration.ofNanos(System.nanoTime() - failed)).isLessThan(STALL.plusSeconds(15));
        for (var session : sessions) {
            session.abort("the test ends it");
        }
        update(3, target);
        assertEnginesHave("v1", 2);
        assertThat(idsMade).hasValue(2);
    }

    @Test
    void aMemberThatDoesNotPrepareEndsTheOthersInTime() throws Exception {
        var session = sessions(1, publish("v1", 1), 2).getLast();
        assertThatThrownBy(session::prepare)
                .isInstanceOf(UpdateException.class)
                .hasMessageContaining("rank 1 of 2 in epoch 1: no rank 0 came within");
        session.abort("nobody came");
    }

    private void update(long epoch, CheckpointRef target) throws Exception {
        var sessions = sessions(epoch, target, 2);
        assertThat(together(sessions, UpdateSession::prepare).stream().distinct())
                .hasSize(1);
        begin(sessions);
        var reports = together(sessions, UpdateSession::stream);
        assertThat(reports).allMatch(report -> report.loadedBytes() == target.bytes());
        together(sessions, UpdateSession::commit);
        sessions.forEach(UpdateSession::close);
    }

    /** @param receivers how many have an engine in this update */
    private List<UpdateSession> sessions(long epoch, CheckpointRef target, int receivers) {
        var host = new Membership.Host("h", server.endpoint(), List.of(new ShardRange(0, 1)));
        var members = List.of(new Membership.Worker("h/0", 0, true), new Membership.Worker("h/1", 0, receivers == 2));
        ActorRef<WorkerEvent> nobody = KIT.<WorkerEvent>createTestProbe().getRef();
        var order = new WorkerCommand.Prepare(
                epoch,
                "update-" + epoch,
                target,
                LoadMode.IN_PLACE,
                Strategy.BROADCAST,
                new Membership(List.of(host), members),
                new Slots(SLOTS, SLOT_BYTES, "test"),
                Exchange.NCCL,
                STALL.toMillis(),
                nobody);
        var sessions = new ArrayList<UpdateSession>();
        for (int i = 0; i < workers.size(); i++) {
            var worker = workers.get(i);
            sessions.add(
                    new UpdateSession(worker.context(), order, i < receivers ? worker.session() : null, bytes -> {}));
        }
        return sessions;
    }

    private void begin(List<UpdateSession> sessions) throws Exception {
        together(sessions, session -> {
            session.begin();
            return true;
        });
    }

    /** Tensors of many sizes, one of them larger than a slot. */
    private CheckpointRef publish(String version, long seed) throws Exception {
        var random = new Random(seed);
        var contents = new HashMap<String, byte[]>();
        var tensors = new ArrayList<SafetensorsWriter.Tensor>();
        for (int i = 0; i < TENSORS; i++) {
            var bytes = new byte[i == 7 ? (int) (9 * MIB) + 3 : 400_000 + 10_000 * i + i];
            random.nextBytes(bytes);
            var name = "model.layers." + i + ".weight";
            contents.put(name, bytes);
            tensors.add(SafetensorsWriter.Tensor.of(name, Dtype.U8, List.of((long) bytes.length), bytes));
        }
        published.put(version, contents);
        var file = directory.resolve(version + ".safetensors");
        SafetensorsWriter.write(file, Map.of(), tensors);
        String layout;
        try (var files = CheckpointFiles.open(file)) {
            layout = LayoutDigest.of(files.layout());
        }
        var holder = new HostStoreCommand.Holder("h", server.endpoint(), List.of(new ShardRange(0, 1)));
        return store.load(
                        new HostStoreCommand.Load(
                                "publish-" + version,
                                "m",
                                version,
                                file.toString(),
                                layout,
                                2,
                                4 * MIB,
                                List.of(holder),
                                KIT.<HostStoreEvent>createTestProbe().getRef()),
                        bytes -> {})
                .ref();
    }

    private void assertEnginesHave(String version, int engines) {
        var expected = published.get(version);
        for (var worker : workers.subList(0, engines)) {
            var tensors = worker.engine().tensors;
            assertThat(tensors.keySet()).as(worker.id()).isEqualTo(expected.keySet());
            expected.forEach((name, bytes) -> assertThat(Arrays.equals(tensors.get(name), bytes))
                    .as("%s of %s is that of %s", name, worker.id(), version)
                    .isTrue());
        }
    }

    private static void assertFails(Future<?> streaming, String reason) {
        assertThatThrownBy(() -> streaming.get(60, TimeUnit.SECONDS))
                .isInstanceOf(ExecutionException.class)
                .cause()
                .isInstanceOf(UpdateException.class)
                .hasMessageContaining(reason);
    }

    private interface Step<T> {
        T run(UpdateSession session) throws Exception;
    }

    /** Runs a step on both workers at the same time. */
    private <T> List<T> together(List<UpdateSession> sessions, Step<T> step) throws Exception {
        var running = sessions.stream()
                .map(session -> threads.submit(() -> step.run(session)))
                .toList();
        var results = new ArrayList<T>();
        for (var one : running) {
            results.add(one.get(60, TimeUnit.SECONDS));
        }
        return results;
    }
}
