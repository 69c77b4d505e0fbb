package dev.inflight.worker.update;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.typed.ActorRef;
import dev.inflight.protocol.checkpoint.LayoutDigest;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.plan.ShardRange;
import dev.inflight.worker.aeron.AeronNode;
import dev.inflight.worker.aeron.AeronSettings;
import dev.inflight.worker.cast.PartCasts;
import dev.inflight.worker.device.HostDevice;
import dev.inflight.worker.device.Pinning;
import dev.inflight.worker.device.ShmNames;
import dev.inflight.worker.link.EngineSession;
import dev.inflight.worker.store.CheckpointFiles;
import dev.inflight.worker.store.CheckpointRoots;
import dev.inflight.worker.store.HostStore;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.transport.PeerServer;
import dev.inflight.worker.transport.RateLimit;
import dev.inflight.worker.ucx.UcxNode;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.InetSocketAddress;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A worker host without its actors, and a reference engine on it. */
final class TestHost implements AutoCloseable {
    static final Duration PATIENCE = Duration.ofSeconds(10);
    static final Duration PART_TIMEOUT = Duration.ofSeconds(4);

    /** Shorter than anybody's patience with an update: whoever does not hear from a peer has time to turn elsewhere. */
    private static final Duration SILENCE = Duration.ofSeconds(4);

    static final long MAX_PART = 4 << 20;

    /** Three slots of 2 MiB. */
    private static final long SLOT_MEMORY = 6 << 20;

    private static final AeronSettings AERON =
            new AeronSettings("127.0.0.1", "", 1, "", 8192, 1 << 20, 1 << 19, Duration.ofSeconds(2), SILENCE);

    final String name;
    final Path directory;
    final HostStore store;
    final HostDevice device;
    final PeerServer server;
    final UpdateContext context;
    final EngineSession engine;
    final AeronNode aeron;
    final PartCasts casts;
    private final TestEngine attached;

    /**
     * How hosts of a test start.
     *
     * @param directory for sockets and traces
     * @param engineFlags more flags of the engine
     * @param partLimit of the parts that it sends
     * @param ucx closed by the test; null for TCP
     * @param gather how long its joins wait for others, where their membership says that multicast reaches it
     */
    record Setup(
            Path directory,
            List<String> engineFlags,
            RateLimit partLimit,
            @Nullable UcxNode ucx,
            Duration gather) {
        Setup engineFlags(List<String> flags) {
            return new Setup(directory, flags, partLimit, ucx, gather);
        }

        Setup partLimit(long bytesPerSecond) {
            return partLimit(new RateLimit(bytesPerSecond));
        }

        /** One that the test takes turns of as well. */
        Setup partLimit(RateLimit limit) {
            return new Setup(directory, engineFlags, limit, ucx, gather);
        }

        Setup ucx(UcxNode node) {
            return new Setup(directory, engineFlags, partLimit, node, gather);
        }

        Setup gather(Duration longest) {
            return new Setup(directory, engineFlags, partLimit, ucx, longest);
        }

        /** @param machine hosts with equal machines map each other's slots */
        TestHost start(String name, String machine) throws Exception {
            return new TestHost(name, machine, this);
        }
    }

    /** Without limits, over TCP. */
    static Setup in(Path directory) {
        return new Setup(directory, List.of(), RateLimit.none(), null, Duration.ofMillis(1));
    }

    private TestHost(String name, String machine, Setup setup) throws Exception {
        var partLimit = setup.partLimit();
        var ucx = setup.ucx();
        this.name = name;
        directory = setup.directory();
        var names = new ShmNames(Path.of("/dev/shm"), "test-" + name);
        store = new HostStore(name, names, Pinning.NONE, 2, PATIENCE, PATIENCE);
        device = new HostDevice(names, SLOT_MEMORY);
        aeron = new AeronNode(names.fresh("aeron"), AERON);
        var joins = new JoinSettings(
                machine, 2, ucx, PART_TIMEOUT, CheckpointRoots.ANYWHERE, new JoinSettings.Casts(aeron, setup.gather()));
        casts = new PartCasts(
                store.forPeers(), aeron, partLimit, AERON.receiverTimeout().plusMillis(500));
        var hub = new TransferHub(machine, PATIENCE);
        server = PeerServer.start(
                new InetSocketAddress("127.0.0.1", 0),
                name,
                new HostPeerService(store.forPeers(), hub, joins, null, casts),
                PATIENCE,
                partLimit,
                ucx);
        context = new UpdateContext(
                worker(),
                store,
                device,
                hub,
                new Peers(server.endpoint(), hub, machine, SILENCE, ucx, aeron),
                joins,
                new Traces(directory),
                PATIENCE,
                PATIENCE,
                null,
                new Plans());
        attached = TestEngine.start(directory, name, worker(), setup.engineFlags());
        engine = attached.session;
    }

    String worker() {
        return name + "/0";
    }

    /** Loads this host's shards of a checkpoint as {@link HostStoreCommand.Load} would. */
    StoredCheckpoint load(
            String version,
            Path source,
            int shards,
            List<HostStoreCommand.Holder> holders,
            ActorRef<HostStoreEvent> nobody)
            throws InterruptedException {
        String layout;
        try (var files = CheckpointFiles.open(source)) {
            layout = LayoutDigest.of(files.layout());
        }
        return store.load(
                new HostStoreCommand.Load(
                        "publish-" + version,
                        "m",
                        version,
                        source.toString(),
                        layout,
                        shards,
                        MAX_PART,
                        holders,
                        nobody),
                bytes -> {});
    }

    /** The same with all shards. */
    StoredCheckpoint loadAll(String version, Path source, int shards, ActorRef<HostStoreEvent> nobody)
            throws InterruptedException {
        return load(version, source, shards, List.of(holder(0, shards - 1)), nobody);
    }

    HostStoreCommand.Holder holder(int first, int last) {
        return new HostStoreCommand.Holder(name, server.endpoint(), List.of(new ShardRange(first, last)));
    }

    /** Runs a session that is alone from its beginning to its end. */
    static StageReport run(UpdateSession session) throws Exception {
        session.prepare();
        return finish(session);
    }

    /** The same with one that is prepared. */
    static StageReport finish(UpdateSession session) throws Exception {
        session.begin();
        var report = session.stream();
        session.commit();
        session.close();
        return report;
    }

    /** Closes hosts whose sessions have ended, and asserts that these left nothing. */
    static void stop(Collection<TestHost> hosts) throws IOException {
        for (var host : hosts) {
            assertThat(host.device.ringsOut()).as("rings of " + host.name).isZero();
            assertThat(host.store.coming()).as("replicas of " + host.name).isEmpty();
            host.close();
        }
    }

    /** For another worker of this host, which has no engine. */
    UpdateContext context(String other) {
        return new UpdateContext(
                other,
                context.store(),
                context.device(),
                context.hub(),
                context.peers(),
                context.joins(),
                context.traces(),
                context.engineTimeout(),
                context.abortTimeout(),
                null,
                context.plans());
    }

    /** Asserts that the store says it holds all shards of the checkpoint, nothing else, and has the files' very bytes. */
    void assertHolds(CheckpointRef target, int shards) throws Exception {
        assertThat(store.held()).singleElement().satisfies(held -> {
            assertThat(held.checkpoint()).isEqualTo(target);
            assertThat(held.shards()).containsExactly(new ShardRange(0, shards - 1));
        });
        var checkpoint = store.adopt(target, List.of());
        try (var channel = FileChannel.open(Path.of(target.source()))) {
            var file = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), Arena.ofAuto());
            for (var shard : checkpoint.sharding().shards()) {
                for (var slice : shard.slices()) {
                    var tensor = checkpoint.layout().tensors().get(slice.tensor());
                    var expected = file.asSlice(tensor.begin() + slice.begin(), slice.bytes());
                    assertThat(MemorySegment.mismatch(
                                    checkpoint.bytes(slice), 0, slice.bytes(), expected, 0, slice.bytes()))
                            .as(tensor.name())
                            .isEqualTo(-1);
                }
            }
        }
    }

    @Override
    public void close() throws IOException {
        attached.close();
        server.close();
        casts.close();
        aeron.close();
        device.close();
        store.close();
        try (var left = Files.newDirectoryStream(
                Path.of("/dev/shm"),
                "inflight-test-" + name + "-" + ProcessHandle.current().pid() + "-*")) {
            for (var file : left) {
                throw new AssertionError(file + " was left behind");
            }
        }
    }
}
