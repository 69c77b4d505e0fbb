package dev.inflight.worker.update;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import com.typesafe.config.ConfigFactory;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.Exchange;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Place;
import dev.inflight.protocol.plan.ShardRange;
import dev.inflight.protocol.plan.Slots;
import dev.inflight.worker.link.EngineSession;
import dev.inflight.worker.transport.PartKey;
import dev.inflight.worker.transport.PartReader;
import dev.inflight.worker.verify.EngineVerifier;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Engines that want a part of a checkpoint: what their hosts take of it, have of it then and give of it. Host {@code a}
 * holds everything.
 */
@Timeout(120)
class PartialJoinTest {
    private static final long MIB = 1 << 20;
    private static final int SHARDS = 3;
    private static final String SLICES = "*.rows=0,*.columns=1";
    private static final List<String> EXPERT_1 = List.of("--wants", "*.experts.1.*,!*.experts.*");
    private static final ActorTestKit KIT = ActorTestKit.create(
            ConfigFactory.parseString("akka.actor.provider = local, akka.fail-mixed-versions = off"));

    @TempDir
    Path directory;

    private final Map<String, TestHost> hosts = new HashMap<>();
    private final List<TestEngine> engines = new ArrayList<>();
    private final Semaphore chunks = new Semaphore(0);
    private Path checkpoints = Path.of("");
    private String machine = "machine-c";
    private long epoch;

    /** A tensor of bytes and, of two ranks that cut it by rows, how many 1 MiB blocks hold what the second one has. */
    private record Tensor(String name, int rows, int columns, int blocksOfSecondHalf) {
        long bytes() {
            return (long) rows * columns;
        }

        /** What a host must take for the second rank of two. */
        long neededBySecondRank() {
            return name.endsWith(".rows") ? Math.min(bytes(), blocksOfSecondHalf * MIB) : bytes();
        }
    }

    private static final List<Tensor> TENSORS = tensors();

    private static List<Tensor> tensors() {
        var tensors = new ArrayList<Tensor>();
        // In several shards; the upper half is the second rank's.
        tensors.add(new Tensor("embed.rows", 16384, 1024, 8));
        for (int layer = 0; layer < 3; layer++) {
            var prefix = "layers." + layer + ".";
            // The half begins in the midst of the second of three blocks.
            tensors.add(new Tensor(prefix + "q.rows", 3072, 1024, 2));
            tensors.add(new Tensor(prefix + "o.columns", 700, 1000, 0));
            tensors.add(new Tensor(prefix + "norm", 1, 777, 0));
            for (int expert = 0; expert < 4; expert++) {
                tensors.add(new Tensor(prefix + "experts." + expert + ".up", 1, 1_300_000 + layer, 0));
                tensors.add(new Tensor(prefix + "experts." + expert + ".scale", 1, 300 + expert, 0));
            }
        }
        tensors.add(new Tensor("experts.none", 0, 4, 0));
        return tensors;
    }

    private static long bytes(Predicate<String> wanted) {
        return TENSORS.stream()
                .filter(tensor -> wanted.test(tensor.name()))
                .mapToLong(Tensor::bytes)
                .sum();
    }

    private static boolean isOfExpert1(String name) {
        return name.contains(".experts.1.") || !name.contains(".experts.");
    }

    /** Between neighbours in a host's memory come some bytes that are of neither. */
    private static void assertTaken(StageReport report, long needed) {
        assertThat(report.taken().receivedBytes()).isBetween(needed, needed + TENSORS.size() * 256L);
        assertThat(report.taken().resentBytes()).isZero();
    }

    /** How bytes come from the holder. */
    private enum Way {
        TCP,
        MAPPED,
        /** Out of files that the holder took as they are. */
        IN_PLACE
    }

    @BeforeEach
    void startHolder() throws Exception {
        start("a", 0, List.of());
    }

    @AfterEach
    void stop() throws Exception {
        engines.forEach(TestEngine::close);
        TestHost.stop(hosts.values());
        if (checkpoints.isAbsolute()) {
            Files.delete(checkpoints.resolve("v1.safetensors"));
            Files.delete(checkpoints);
        }
    }

    @AfterAll
    static void stopActors() {
        KIT.shutdownTestKit();
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void theHostOfARankTakesTheRowsOfItsSlicesAlone(Way way) throws Exception {
        if (way == Way.IN_PLACE) {
            checkpoints = Files.createTempDirectory(Path.of("/dev/shm"), "inflight-partial-join-test-");
        }
        machine = way == Way.MAPPED ? "machine-a" : "machine-c";
        start("c", 0, List.of("--tp-rank", "1", "--tp-size", "2", "--slices", SLICES));
        var target = publish("v1", 1);
        var report = join("c", target, holder(0));

        long needed = TENSORS.stream().mapToLong(Tensor::neededBySecondRank).sum();
        assertThat(needed).isLessThan(target.bytes() * 3 / 4);
        assertTaken(report, needed);
        assertVerified("c", target, TENSORS.size());
    }

    @Test
    void aHostTakesWhatItsFirstEngineWantsAndLaterTheRestForItsSecond() throws Exception {
        start("c", 0, EXPERT_1);
        var target = publish("v1", 1);
        var report = join("c", target, holder(0));
        long wanted = bytes(PartialJoinTest::isOfExpert1);
        assertThat(wanted).isLessThan(target.bytes() * 3 / 4);
        assertTaken(report, wanted);
        assertThat(report.loadedBytes()).isEqualTo(wanted);
        assertVerified(
                "c",
                target,
                TENSORS.stream().filter(tensor -> isOfExpert1(tensor.name())).count());
        assertThat(hosts.get("c").store.held()).singleElement().satisfies(held -> {
            assertThat(held.shards()).isEqualTo(withoutOtherExperts("c", target));
            assertThat(held.memoryBytes()).isGreaterThanOrEqualTo(wanted);
        });

        var again = join("c", target, holder(0));
        assertThat(again.taken().receivedBytes()).isZero();

        var second = engine("c", 1, List.of());
        var rest = TestHost.run(session("c", 1, second, target, holder(0)));
        assertTaken(rest, target.bytes() - wanted);
        assertThat(rest.loadedBytes()).isEqualTo(target.bytes());
        assertThat(verify("c", second, target).mismatches()).isZero();
        assertVerified(
                "c",
                target,
                TENSORS.stream().filter(tensor -> isOfExpert1(tensor.name())).count());
        assertThat(hosts.get("c").store.held())
                .singleElement()
                .satisfies(held -> assertThat(held.shards()).containsExactly(new ShardRange(0, SHARDS - 1)));

        // From then on it is a holder like any other.
        start("d", 0, List.of());
        assertThat(join("d", target, host("c", true, 0)).taken().sources()).containsExactly("c");
        assertVerified("d", target, TENSORS.size());
    }

    @Test
    void twoRanksOfAHostThatJoinAtOnceTakeEverythingOnce() throws Exception {
        start("c", 24 * MIB, List.of("--tp-rank", "0", "--tp-size", "2", "--slices", SLICES));
        var second = engine("c", 1, List.of("--tp-rank", "1", "--tp-size", "2", "--slices", SLICES));
        var target = publish("v1", 1);
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            Callable<StageReport> first = () -> join("c", target, holder(0));
            var one = threads.submit(first);
            var other = threads.submit(() -> TestHost.run(session("c", 1, second, target, holder(1))));
            long received =
                    one.get().taken().receivedBytes() + other.get().taken().receivedBytes();
            assertThat(received).isBetween(target.bytes(), target.bytes() + TENSORS.size() * 256L);
        }
        assertVerified("c", target, TENSORS.size());
        assertThat(verify("c", second, target).mismatches()).isZero();
    }

    @Test
    void aHostThatHasSomeGivesThatAndIsAskedForNoPartTwiceThatItLacks() throws Exception {
        start("c", 0, EXPERT_1);
        start("d", 0, List.of());
        var target = publish("v1", 1);
        join("c", target, holder(0));
        assertThat(parts("c", target)).contains(true, false);

        // As a coordinator would point to it that does not know how its join went.
        var report = join("d", target, holder(5), host("c", false, 0));
        assertThat(report.taken().sources()).containsExactly("a", "c");
        assertTaken(report, target.bytes());
        assertVerified("d", target, TENSORS.size());
    }

    @Test
    void whatAnEngineTookSurvivesAnotherOnesAbortedJoin() throws Exception {
        start("c", 0, EXPERT_1);
        var second = engine("c", 1, List.of());
        var target = publish("v1", 1);
        join("c", target, holder(0));
        long before = memory("c");
        var held = hosts.get("c").store.held();
        start("b", 4 * MIB, List.of());
        publish("v1", 1, "b");
        chunks.drainPermits();
        var broken = session("c", 1, second, target, host("b", true, 0));
        broken.prepare();
        assertThat(chunks.tryAcquire(2, 10, TimeUnit.SECONDS)).isTrue();
        broken.abort("changed my mind");
        assertThat(memory("c")).isGreaterThanOrEqualTo(before);
        assertThat(hosts.get("c").store.held())
                .singleElement()
                .satisfies(now ->
                        assertThat(now.shards()).isEqualTo(held.getFirst().shards()));
        assertThat(join("c", target, holder(0)).taken().receivedBytes()).isZero();
        assertVerified(
                "c",
                target,
                TENSORS.stream().filter(tensor -> isOfExpert1(tensor.name())).count());
        hosts.get("c").store.release(target.digest());
        assertThat(hosts.get("c").store.held()).isEmpty();
    }

    @Test
    void updatesBringAnEngineWhatItWantsAndNothingElse() throws Exception {
        start("c", 0, EXPERT_1);
        long tensors =
                TENSORS.stream().filter(tensor -> isOfExpert1(tensor.name())).count();
        long wanted = bytes(PartialJoinTest::isOfExpert1);
        int seed = 0;
        for (var mode : List.of(LoadMode.IN_PLACE, LoadMode.SHADOW)) {
            var target = publish("v" + ++seed, seed);
            var reports = update(target, mode);
            assertThat(reports.get("a").loadedBytes()).isEqualTo(target.bytes());
            assertThat(reports.get("c").loadedBytes()).isEqualTo(wanted);
            assertVerified("a", target, TENSORS.size());
            assertVerified("c", target, tensors);
        }
        var other = publish("other", 9);
        assertThat(verify("c", hosts.get("c").engine, other).mismatches()).isEqualTo(tensors - 1);
    }

    @Test
    void anEngineThatWantsNothingOfTheCheckpointIsRefusedBeforeItIsTouched() throws Exception {
        start("c", 0, List.of("--wants", "*.lora,!*"));
        var session = session("c", 0, hosts.get("c").engine, publish("v1", 1), holder(0));
        assertThatThrownBy(session::prepare)
                .isInstanceOf(UpdateException.class)
                .hasMessage("engine engine-c wants none of the " + TENSORS.size()
                        + " tensors: \"wants\" of its hello leaves nothing");
        assertThat(session.abort("refused")).isEqualTo(new UpdateSession.AbortOutcome.Untouched());
    }

    private void start(String name, long bytesPerSecond, List<String> flags) throws Exception {
        var setup = TestHost.in(directory).partLimit(bytesPerSecond).engineFlags(flags);
        hosts.put(name, setup.start(name, machine(name)));
    }

    private String machine(String host) {
        return host.equals("c") ? machine : "machine-" + host;
    }

    private EngineSession engine(String host, int worker, List<String> flags) throws Exception {
        var engine = TestEngine.start(directory, host + worker, host + "/" + worker, flags);
        engines.add(engine);
        return engine.session;
    }

    private CheckpointRef publish(String version, long seed) throws Exception {
        return publish(version, seed, "a");
    }

    /** The host holds all of it. */
    private CheckpointRef publish(String version, long seed, String name) throws Exception {
        var checkpoint = new RandomCheckpoint(seed);
        TENSORS.forEach(tensor -> checkpoint.with(tensor.name(), tensor.rows(), tensor.columns()));
        var file = checkpoint.write(directory.resolve(checkpoints).resolve(version + ".safetensors"));
        var nobody = KIT.<HostStoreEvent>createTestProbe().getRef();
        return hosts.get(name).loadAll(version, file, SHARDS, nobody).ref();
    }

    private Membership.Host holder(int uploads) {
        return host("a", true, uploads);
    }

    /** @param holds whether it is said to hold all shards, or to be replicating them */
    private Membership.Host host(String name, boolean holds, int uploads) {
        var all = List.of(new ShardRange(0, SHARDS - 1));
        var host = hosts.get(name);
        return new Membership.Host(
                name,
                host.server.endpoint(),
                holds ? all : List.of(),
                new Place(machine(name), "", ""),
                holds ? List.of() : all,
                uploads);
    }

    private StageReport join(String joiner, CheckpointRef target, Membership.Host... sources) throws Exception {
        return TestHost.run(session(joiner, 0, hosts.get(joiner).engine, target, sources));
    }

    private synchronized UpdateSession session(
            String joiner, int worker, EngineSession engine, CheckpointRef target, Membership.Host... sources) {
        var id = joiner + "/" + worker;
        var members = new ArrayList<>(List.of(sources));
        var endpoint = hosts.get(joiner).server.endpoint();
        var place = new Place(machine(joiner), "", "");
        members.add(new Membership.Host(joiner, endpoint, List.of(), place, List.of(), 0));
        var membership = new Membership(members, List.of(new Membership.Worker(id, sources.length, true)));
        var order = order(target, LoadMode.IN_PLACE, Strategy.P2P, membership, ++epoch);
        return new UpdateSession(hosts.get(joiner).context(id), order, engine, bytes -> chunks.release());
    }

    private static WorkerCommand.Prepare order(
            CheckpointRef target, LoadMode mode, Strategy strategy, Membership membership, long epoch) {
        return new WorkerCommand.Prepare(
                epoch,
                "update-" + epoch,
                target,
                mode,
                strategy,
                membership,
                new Slots(3, 2 * MIB, "test"),
                Exchange.TRANSFERS,
                TestHost.PATIENCE.toMillis(),
                KIT.<WorkerEvent>createTestProbe().getRef());
    }

    /** An update of the engines of a and c, whose bytes a has. */
    private Map<String, StageReport> update(CheckpointRef target, LoadMode mode) throws Exception {
        var membership = new Membership(
                List.of(
                        host("a", true, 0),
                        new Membership.Host("c", hosts.get("c").server.endpoint(), List.of())),
                List.of(new Membership.Worker("a/0", 0, true), new Membership.Worker("c/0", 1, true)));
        var order = order(target, mode, Strategy.BROADCAST, membership, ++epoch);
        var sessions = new HashMap<String, UpdateSession>();
        for (var name : List.of("a", "c")) {
            var host = hosts.get(name);
            sessions.put(name, new UpdateSession(host.context, order, host.engine, bytes -> {}));
        }
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (var prepared : sessions.values().stream()
                    .map(session -> threads.submit(session::prepare))
                    .toList()) {
                prepared.get();
            }
            for (var session : sessions.values()) {
                session.begin();
            }
            var streams = new HashMap<String, Future<StageReport>>();
            sessions.forEach((name, session) -> streams.put(name, threads.submit(session::stream)));
            var reports = new HashMap<String, StageReport>();
            for (var stream : streams.entrySet()) {
                reports.put(stream.getKey(), stream.getValue().get());
            }
            for (var session : sessions.values()) {
                session.commit();
                session.close();
            }
            return reports;
        }
    }

    private void assertVerified(String name, CheckpointRef target, long tensors) {
        var verified = verify(name, hosts.get(name).engine, target);
        assertThat(verified.mismatched()).isEmpty();
        assertThat(verified.tensors()).isEqualTo(tensors);
    }

    private WorkerEvent.Verified verify(String name, EngineSession engine, CheckpointRef target) {
        var status = new EngineStatus(
                "e", "m", 1, List.of(), false, EngineStatus.State.SERVING, target.version(), null, null);
        var holders = new Membership(List.of(holder(0)), List.of());
        var order = new WorkerCommand.Verify(
                "verify", target, holders, KIT.<WorkerEvent>createTestProbe().getRef());
        var verified = (WorkerEvent.Verified) new EngineVerifier(hosts.get(name).context, engine, status).verify(order);
        assertThat(verified.error()).isNull();
        return verified;
    }

    /** The shards of which every tensor is wanted; not all are. */
    private List<ShardRange> withoutOtherExperts(String name, CheckpointRef target) {
        var checkpoint = hosts.get(name).store.adopt(target, List.of());
        var complete = new TreeSet<Integer>();
        for (var shard : checkpoint.sharding().shards()) {
            if (shard.slices().stream()
                    .allMatch(slice -> isOfExpert1(
                            checkpoint.layout().tensors().get(slice.tensor()).name()))) {
                complete.add(shard.index());
            }
        }
        assertThat(complete).hasSizeLessThan(SHARDS);
        return ShardRange.of(complete);
    }

    private long memory(String name) {
        return hosts.get(name).store.heldBytes();
    }

    /** Which parts of the checkpoint a host gives. */
    private List<Boolean> parts(String name, CheckpointRef target) throws Exception {
        var checkpoint = hosts.get(name).store.adopt(target, List.of());
        var given = new ArrayList<Boolean>();
        try (var arena = Arena.ofShared();
                var reader = PartReader.connect(
                        hosts.get(name).server.endpoint(), "", TestHost.PATIENCE, TestHost.PART_TIMEOUT)) {
            for (int shard = 0; shard < SHARDS; shard++) {
                for (var part : checkpoint.parts(shard).parts()) {
                    reader.request(new PartKey(checkpoint.key(), shard, part.offset(), part.bytes()));
                    given.add(reader.read(arena.allocate(part.bytes()), bytes -> {}));
                }
            }
        }
        return given;
    }
}
