package dev.inflight.worker.update;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import com.typesafe.config.ConfigFactory;
import dev.inflight.protocol.cluster.BandwidthLimit;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.Damage;
import dev.inflight.protocol.cluster.Exchange;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.VerifyPoint;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Place;
import dev.inflight.protocol.plan.ShardRange;
import dev.inflight.protocol.plan.Slice;
import dev.inflight.protocol.plan.Slots;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.ucx.TestUcx;
import dev.inflight.worker.ucx.UcxNode;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Hosts with their stores and peer servers, and joins of their engines: everything but the actors. */
@Timeout(120)
class JoinTest {
    private static final long MIB = 1 << 20;
    private static final int SHARDS = 3;
    private static final ActorTestKit KIT = ActorTestKit.create(
            ConfigFactory.parseString("akka.actor.provider = local, akka.fail-mixed-versions = off"));

    @TempDir
    Path directory;

    private final Map<String, TestHost> hosts = new HashMap<>();
    private final Map<String, StoredCheckpoint> stored = new HashMap<>();
    private final Semaphore chunks = new Semaphore(0);
    private final TestProbe<WorkerEvent> coordinator = KIT.createTestProbe();
    private List<BandwidthLimit> limits = List.of();
    private @Nullable Path checkpoints;
    private long epoch;

    @AfterAll
    static void stopActors() {
        KIT.shutdownTestKit();
    }

    @AfterEach
    void stopHosts() throws Exception {
        TestHost.stop(hosts.values());
    }

    @Test
    void aJoinBringsEverythingOverTcpAndTheHostThenHoldsIt() throws Exception {
        start("a", "machine-a", 0);
        start("c", "machine-c", 0);
        var target = publish("a");
        var report = join("c", target, host("a", 0));

        assertThat(report.taken().receivedBytes()).isBetween(target.bytes(), target.bytes() + target.bytes() / 50);
        assertThat(report.taken().resentBytes()).isZero();
        assertThat(report.taken().sources()).containsExactly("a");
        assertThat(report.loadedBytes()).isEqualTo(target.bytes());
        assertHolds("c", target);
    }

    @Test
    void aJoinBringsEverythingByUcx() throws Exception {
        try (var giving = TestUcx.start();
                var taking = TestUcx.start()) {
            start("a", "machine-a", giving);
            start("c", "machine-c", taking);
            var target = publish("a");
            var report = join("c", target, host("a", 0));

            assertThat(report.taken().sources()).containsExactly("a");
            assertThat(taking.receivedBytes()).isGreaterThanOrEqualTo(target.bytes());
            assertHolds("c", target);
            stopHosts();
            hosts.clear();
        }
    }

    @Test
    void aSourceWhoseBytesAreDamagedMendsThemAlsoByUcx() throws Exception {
        try (var giving = TestUcx.start();
                var taking = TestUcx.start()) {
            start("a", "machine-a", giving);
            start("c", "machine-c", taking);
            var target = publish("a");
            damageAllBlocks("a");
            var report = join("c", target, host("a", 0));

            assertThat(report.taken().sources()).containsExactly("a");
            assertThat(report.taken().resentBytes()).isZero();
            assertHolds("c", target);
            stopHosts();
            hosts.clear();
        }
    }

    @Test
    void aJoinOnTheSameMachineCopiesFromTheSourcesMemory() throws Exception {
        // What goes over the socket would take for ever.
        start("a", "machine", 1);
        start("c", "machine", 0);
        var target = publish("a");
        var report = join("c", target, host("a", 0));

        assertThat(report.taken().sources()).containsExactly("a");
        assertHolds("c", target);
    }

    @Test
    void aSecondEngineOfAHostThatHoldsEverythingMovesNoByte() throws Exception {
        start("a", "machine-a", 0);
        start("c", "machine-c", 0);
        var target = publish("a");
        join("c", target, host("a", 0));
        var again = join("c", target, host("a", 0));

        assertThat(again.taken().receivedBytes()).isZero();
        assertThat(again.loadedBytes()).isEqualTo(target.bytes());
    }

    @Test
    void whenASourceDiesHalfWayTheOtherGivesTheRest() throws Exception {
        start("a", "machine-a", 12 * MIB);
        start("b", "machine-b", 12 * MIB);
        start("c", "machine-c", 0);
        var target = publish(40 * MIB, "a", "b");
        var session = session("c", target, host("a", 0), host("b", 0));
        session.prepare();
        awaitChunks(36);
        hosts.get("a").server.close();
        var report = TestHost.finish(session);

        assertThat(report.taken().sources()).containsExactly("a", "b");
        long inFlight = 2 * 8 * MIB;
        assertThat(report.taken().resentBytes()).isLessThanOrEqualTo(inFlight + target.bytes() / 20);
        assertThat(report.taken().receivedBytes() - report.taken().resentBytes())
                .isGreaterThanOrEqualTo(target.bytes());
        assertHolds("c", target);
    }

    @Test
    void aSourceWithBadBytesMendsThemBeforeItGivesThem() throws Exception {
        start("a", "machine-a", 0);
        start("c", "machine-c", 0);
        var target = publish("a");
        damageAllBlocks("a");
        var report = join("c", target, host("a", 0));

        assertThat(report.taken().sources()).containsExactly("a");
        assertThat(report.taken().resentBytes()).isZero();
        assertHolds("c", target);
        var damage = hosts.get("a").store.damage();
        assertThat(damage.found(Damage.Place.STORE)).isPositive().isEqualTo(damage.mended(Damage.Place.STORE));
    }

    @Test
    void aSourceThatCanNotMendABadByteIsAskedNoMore() throws Exception {
        start("a", "machine-a", 0);
        // Slow enough for the other one to be asked.
        start("b", "machine-b", 12 * MIB);
        start("c", "machine-c", 0);
        var target = publish("a", "b");
        damageAllBlocks("a");
        var files = Path.of(target.source());
        var away = Files.move(files, files.resolveSibling("away"));
        var report = join("c", target, host("a", 0), host("b", 0));
        Files.move(away, files);

        assertThat(report.taken().sources()).containsExactly("b");
        assertHolds("c", target);
        var damage = hosts.get("a").store.damage();
        assertThat(damage.found(Damage.Place.STORE)).isPositive();
        assertThat(damage.mended(Damage.Place.STORE)).isZero();
    }

    @Test
    void aPartThatIsDamagedOnTheWayIsTakenFromElsewhereAndCounted() throws Exception {
        start("a", "machine-a", 0);
        start("c", "machine-c", 0);
        var target = publish("a");
        try (var wire = new FlippingWire(hosts.get("a").server.endpoint())) {
            var behindWire = new Membership.Host(
                    "a", wire.endpoint(), List.of(new ShardRange(0, SHARDS - 1)), place("a"), List.of(), 0);
            var report = join("c", target, behindWire);

            assertThat(report.damage()).singleElement().satisfies(damage -> {
                assertThat(damage.place()).isEqualTo(Damage.Place.WIRE);
                assertThat(damage.host()).isEqualTo("c");
                assertThat(damage.mendedFrom()).as("nobody else has it").isEqualTo(target.source());
            });
            assertThat(report.taken().resentBytes()).isPositive();
        }
        assertHolds("c", target);
        var damage = hosts.get("c").store.damage();
        assertThat(damage.found(Damage.Place.WIRE)).isOne();
        assertThat(damage.mended(Damage.Place.WIRE)).isOne();
    }

    /** Host c knows what a has published, but gets nothing from it. */
    private CheckpointRef publishedByOneThatGivesNothing() throws Exception {
        start("a", "machine-a", 0);
        start("c", "machine-c", 0);
        var target = publish("a");
        hosts.get("c").store.adopt(target, List.of(hosts.get("a").server.endpoint()));
        hosts.get("a").server.close();
        return target;
    }

    @Test
    void filesThatAreNotWhatWasPublishedAnyMoreAreRefusedAndCounted() throws Exception {
        var target = publishedByOneThatGivesNothing();
        try (var file = FileChannel.open(Path.of(target.source()), StandardOpenOption.WRITE)) {
            file.write(ByteBuffer.wrap(new byte[64]), file.size() - 64);
        }
        var session = session("c", target, host("a", 0));
        session.prepare();

        assertThatThrownBy(() -> {
                    session.begin();
                    session.stream();
                })
                .isInstanceOf(UpdateException.class)
                .hasMessageContaining("is not what was published as m v1");
        session.abort("bad files");
        var damage = hosts.get("c").store.damage();
        assertThat(damage.found(Damage.Place.FILE)).isOne();
        assertThat(damage.mended(Damage.Place.FILE)).isZero();
    }

    @Test
    void withoutAnySourceTheOriginalFilesAreRead() throws Exception {
        var target = publishedByOneThatGivesNothing();
        var report = join("c", target, host("a", 0));

        assertThat(report.taken().sources()).containsExactly(target.source());
        assertHolds("c", target);
    }

    @Test
    void withoutAnySourceOrFileTheJoinFailsNamingWhatIsMissing() throws Exception {
        start("a", "machine-a", 6 * MIB);
        start("c", "machine-c", 0);
        var target = publish("a");
        Files.delete(Path.of(target.source()));
        var session = session("c", target, host("a", 0));
        session.prepare();
        awaitChunks(2);
        hosts.get("a").server.close();

        assertThatThrownBy(() -> {
                    session.begin();
                    session.stream();
                })
                .isInstanceOf(UpdateException.class)
                .hasMessageContaining("parts of m v1 can not be had")
                .hasMessageContaining("a: peer ")
                .hasMessageContaining("no such file");
        session.abort("no source");
        assertThat(hosts.get("c").store.coming()).isEmpty();
    }

    @Test
    void aHostThatIsReplicatingServesTheNextJoiner() throws Exception {
        start("a", "machine-a", 12 * MIB);
        start("c", "machine-c", 0);
        start("d", "machine-d", 0);
        var target = publish("a");
        var first = session("c", target, host("a", 0));
        first.prepare();
        awaitChunks(1);
        var second = session("d", target, host("a", 1), replicating("c"));
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var one = threads.submit(() -> TestHost.finish(first));
            var other = threads.submit(() -> TestHost.run(second));

            assertThat(one.get().taken().sources()).containsExactly("a");
            assertThat(other.get().taken().sources()).containsExactly("c");
        }
        assertHolds("c", target);
        assertHolds("d", target);
    }

    @Test
    void whenTheHostInBetweenGivesUpTheNextJoinerTakesTheRestFromTheHolder() throws Exception {
        start("a", "machine-a", 8 * MIB);
        start("c", "machine-c", 0);
        start("d", "machine-d", 0);
        var target = publish("a");
        var first = session("c", target, host("a", 0));
        first.prepare();
        awaitChunks(1);
        var second = session("d", target, host("a", 1), replicating("c"));
        second.prepare();
        awaitChunks(9);
        first.abort("changed my mind");
        var report = TestHost.finish(second);

        assertThat(report.taken().sources()).contains("a");
        assertHolds("d", target);
    }

    @Test
    void aSourceThatIsAliveButGivesNothingIsAskedNoMore() throws Exception {
        start("a", "machine-a", 1);
        start("b", "machine-b", 0);
        start("c", "machine-c", 0);
        var target = publish("a", "b");
        var report = join("c", target, host("a", 0), host("b", 0));

        assertThat(report.taken().sources()).containsExactly("b");
        assertHolds("c", target);
    }

    @Test
    void aFastSourceGivesWhatASlowOneWouldGiveLast() throws Exception {
        long slow = 4 * MIB;
        start("a", "machine-a", slow);
        start("b", "machine-b", 0);
        start("c", "machine-c", 0);
        var target = publish(150 * MIB, "a", "b");
        long begin = System.nanoTime();
        var report = join("c", target, host("a", 0), host("b", 0));
        double seconds = Duration.ofNanos(System.nanoTime() - begin).toMillis() / 1000.0;

        assertThat(report.taken().sources()).containsExactly("a", "b");
        assertThat(seconds).isLessThan(0.75 * (target.bytes() / 2.0 / slow));
        assertHolds("c", target);
    }

    @Test
    void sourcesThatHoldPartsOfItAreUsedTogether() throws Exception {
        start("a", "machine-a", 0);
        start("b", "machine-b", 0);
        start("c", "machine-c", 0);
        var target = publish("a", "b");
        var report = join("c", target, holding("a", 0, 1), holding("b", 2, 2));

        assertThat(report.taken().sources()).containsExactly("a", "b");
        assertHolds("c", target);
    }

    @Test
    void twoWorkersOfAHostThatJoinAtOnceShareWhatComes() throws Exception {
        start("a", "machine-a", 24 * MIB);
        start("c", "machine-c", 0);
        var target = publish("a");
        var first = session("c", target, host("a", 0));
        var second = sending("c", target, host("a", 1));
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var one = threads.submit(() -> TestHost.run(first));
            var other = threads.submit(() -> TestHost.run(second));
            long received =
                    one.get().taken().receivedBytes() + other.get().taken().receivedBytes();

            assertThat(received).isBetween(target.bytes(), target.bytes() + target.bytes() / 50);
        }
        assertHolds("c", target);
    }

    @Test
    void whenTheWorkerThatBringsPartsAbortsAnotherOfTheHostGoesOn() throws Exception {
        start("a", "machine-a", 8 * MIB);
        start("c", "machine-c", 0);
        var target = publish("a");
        var first = session("c", target, host("a", 0));
        first.prepare();
        awaitChunks(1);
        var second = sending("c", target, host("a", 1));
        second.prepare();
        first.abort("changed my mind");
        var report = TestHost.finish(second);

        assertThat(report.taken().sources()).containsExactly("a");
        assertHolds("c", target);
    }

    @ParameterizedTest
    @ValueSource(strings = {"machine-a", "machine-c"})
    void filesThatWereTakenInPlaceAreASource(String machine) throws Exception {
        checkpoints = Files.createTempDirectory(Path.of("/dev/shm"), "inflight-join-test-");
        try {
            start("a", "machine-a", 0);
            start("c", machine, 0);
            var target = publish("a");
            var report = join("c", target, host("a", 0));

            assertThat(report.taken().sources()).containsExactly("a");
            assertHolds("c", target);
        } finally {
            Files.delete(checkpoints.resolve("v1.safetensors"));
            Files.delete(checkpoints);
        }
    }

    @Test
    void theCapOfASourceHoldsForAllItsConnectionsTogether() throws Exception {
        long cap = 20 * MIB;
        start("a", "machine-a", cap);
        start("c", "machine-c", 0);
        var target = publish("a");
        long begin = System.nanoTime();
        var report = join("c", target, host("a", 0));
        double seconds = Duration.ofNanos(System.nanoTime() - begin).toMillis() / 1000.0;

        assertThat(report.taken().receivedBytes() / seconds).isLessThanOrEqualTo(1.1 * cap);
        assertThat(seconds).isGreaterThan(0.9 * target.bytes() / cap);
    }

    @Test
    void theLimitOfAModelHoldsForAllJoinsThatTakeItFromAHostTogether() throws Exception {
        long rate = 40 * MIB;
        limits = List.of(new BandwidthLimit("model m", rate), new BandwidthLimit("tenant ann", 1000 * MIB));
        start("a", "machine-a", 0);
        start("c", "machine-c", 0);
        start("d", "machine-d", 0);
        var target = publish(12 * MIB, "a");
        var first = session("c", target, host("a", 0));
        var second = session("d", target, host("a", 1));
        long begin = System.nanoTime();
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var one = threads.submit(() -> TestHost.run(first));
            var other = threads.submit(() -> TestHost.run(second));
            long received =
                    one.get().taken().receivedBytes() + other.get().taken().receivedBytes();
            double seconds = (System.nanoTime() - begin) / 1e9;

            assertThat(received).isGreaterThanOrEqualTo(2 * target.bytes());
            assertThat(seconds).isGreaterThanOrEqualTo((double) received / rate);
        }
        coordinator.expectMessageClass(WorkerEvent.HeldUp.class);
        assertHolds("c", target);
        assertHolds("d", target);
    }

    @Test
    void whatIsMappedKeepsToNoLimit() throws Exception {
        limits = List.of(new BandwidthLimit("model m", 1));
        start("a", "machine", 0);
        start("c", "machine", 0);
        var target = publish("a");
        join("c", target, host("a", 0));
        assertHolds("c", target);
    }

    @Test
    void anAbortedJoinLeavesNothingIncompleteAndTheNextOneWorks() throws Exception {
        start("a", "machine-a", 12 * MIB);
        start("c", "machine-c", 0);
        var target = publish("a");
        var session = session("c", target, host("a", 0));
        session.prepare();
        awaitChunks(1);
        session.abort("changed my mind");
        assertThat(hosts.get("c").store.coming()).isEmpty();

        join("c", target, host("a", 0));
        assertHolds("c", target);
    }

    private void start(String name, String machine, long bytesPerSecond) throws Exception {
        hosts.put(name, TestHost.in(directory).partLimit(bytesPerSecond).start(name, machine));
    }

    private void start(String name, String machine, UcxNode ucx) throws Exception {
        hosts.put(name, TestHost.in(directory).ucx(ucx).start(name, machine));
    }

    private CheckpointRef publish(String... names) throws Exception {
        return publish(15 * MIB, names);
    }

    /** Every one of these hosts holds all of it. */
    private CheckpointRef publish(long largest, String... names) throws Exception {
        var file = RandomCheckpoint.forJoins(largest)
                .write((checkpoints == null ? directory : checkpoints).resolve("v1.safetensors"));
        var nobody = KIT.<HostStoreEvent>createTestProbe().getRef();
        for (var name : names) {
            stored.put(name, hosts.get(name).loadAll("v1", file, SHARDS, nobody));
        }
        return stored.get(names[0]).ref();
    }

    private void damageAllBlocks(String name) {
        var checkpoint = stored.get(name);
        for (var shard : checkpoint.sharding().shards()) {
            for (var slice : shard.slices()) {
                for (long at = slice.begin(); at < slice.end(); at += MIB) {
                    var block = checkpoint.bytes(new Slice(slice.tensor(), at, Math.min(at + MIB, slice.end())));
                    block.set(ValueLayout.JAVA_BYTE, 0, (byte) ~block.get(ValueLayout.JAVA_BYTE, 0));
                }
            }
        }
    }

    private Place place(String name) {
        return new Place(hosts.get(name).context.joins().machine(), "", "");
    }

    private Membership.Host host(String name, int uploads) {
        return source(name, 0, SHARDS - 1, uploads);
    }

    private Membership.Host holding(String name, int first, int last) {
        return source(name, first, last, 0);
    }

    private Membership.Host source(String name, int first, int last, int uploads) {
        return new Membership.Host(
                name,
                hosts.get(name).server.endpoint(),
                List.of(new ShardRange(first, last)),
                place(name),
                List.of(),
                uploads);
    }

    /** A host that replicates everything; what has come of it by now it holds. */
    private Membership.Host replicating(String name) {
        var host = hosts.get(name);
        var coming = shards(host.store.coming());
        // Asked for second, so that a shard that comes in between is in both rather than in neither.
        var held = shards(host.store.held());
        return new Membership.Host(name, host.server.endpoint(), held, place(name), coming, 0);
    }

    private static List<ShardRange> shards(List<HostStoreEvent.Held> checkpoints) {
        return checkpoints.stream().flatMap(one -> one.shards().stream()).toList();
    }

    private UpdateSession session(String joiner, CheckpointRef target, Membership.Host... sources) {
        var host = hosts.get(joiner);
        var order = order(joiner, new Membership.Worker(host.worker(), sources.length, true), target, sources);
        return new UpdateSession(host.context, order, host.engine, bytes -> chunks.release());
    }

    /** A join of another worker of the host, without an engine. */
    private UpdateSession sending(String joiner, CheckpointRef target, Membership.Host... sources) {
        var context = hosts.get(joiner).context(joiner + "/1");
        var order = order(joiner, new Membership.Worker(joiner + "/1", sources.length, false), target, sources);
        return new UpdateSession(context, order, null, bytes -> {});
    }

    private WorkerCommand.Prepare order(
            String joiner, Membership.Worker worker, CheckpointRef target, Membership.Host... sources) {
        var members = new ArrayList<>(List.of(sources));
        var endpoint = hosts.get(joiner).server.endpoint();
        members.add(new Membership.Host(joiner, endpoint, List.of(), place(joiner), List.of(), 0));
        return new WorkerCommand.Prepare(
                ++epoch,
                "join-" + epoch,
                target,
                LoadMode.IN_PLACE,
                Strategy.P2P,
                new Membership(members, List.of(worker)),
                new Slots(3, 2 * MIB, "test"),
                Exchange.TRANSFERS,
                TestHost.PATIENCE.toMillis(),
                false,
                VerifyPoint.ARRIVAL,
                limits,
                coordinator.getRef());
    }

    private StageReport join(String joiner, CheckpointRef target, Membership.Host... sources) throws Exception {
        return TestHost.run(session(joiner, target, sources));
    }

    /** Waits until so many chunks of 1 MiB at most have come. */
    private void awaitChunks(int count) throws InterruptedException {
        assertThat(chunks.tryAcquire(count, TestHost.PATIENCE.toSeconds(), TimeUnit.SECONDS))
                .isTrue();
    }

    private void assertHolds(String name, CheckpointRef target) throws Exception {
        hosts.get(name).assertHolds(target, SHARDS);
    }
}
