package dev.inflight.worker.update;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import com.typesafe.config.ConfigFactory;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.Damage;
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
import dev.inflight.worker.aeron.FlippingReceiver;
import dev.inflight.worker.cast.CastOrder;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.transport.PartCastReader;
import io.aeron.driver.reports.LossReportReader;
import io.aeron.driver.reports.LossReportUtil;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.agrona.concurrent.UnsafeBuffer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Joins of hosts that say multicast reaches them, and sources that cast. On one machine each gets a copy by itself. */
@Timeout(120)
class JoinCastTest {
    private static final long MIB = 1 << 20;
    private static final int SHARDS = 3;
    private static final Duration PATIENT = Duration.ofSeconds(20);
    private static final Duration SHORT = Duration.ofMillis(20);
    private static final Map<String, String> LOSS = Map.of(
            "aeron.ReceiveChannelEndpoint.supplier", "io.aeron.driver.ext.DebugReceiveChannelEndpointSupplier",
            "aeron.debug.receive.data.loss.rate", "0.03",
            "aeron.debug.receive.data.loss.seed", "7");
    private static final ActorTestKit KIT = ActorTestKit.create(
            ConfigFactory.parseString("akka.actor.provider = local, akka.fail-mixed-versions = off"));

    @TempDir
    Path directory;

    private final Map<String, TestHost> hosts = new HashMap<>();
    private final Map<String, Semaphore> chunks = new HashMap<>();
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private @Nullable StoredCheckpoint stored;
    private long epoch;

    @BeforeEach
    void goodNetwork() {
        LOSS.keySet().forEach(System::clearProperty);
        FlippingReceiver.settings("", 0).keySet().forEach(System::clearProperty);
    }

    @AfterAll
    static void stopActors() {
        new JoinCastTest().goodNetwork();
        KIT.shutdownTestKit();
    }

    @AfterEach
    void stopHosts() throws Exception {
        threads.close();
        TestHost.stop(hosts.values());
    }

    @Test
    void whenThreeMachinesJoinTheSourceCastsEveryByteAndTheirHostsThenHoldIt() throws Exception {
        start(0, PATIENT, "a", "c", "d", "e");
        var target = publish("a");
        var joins = List.of(join("c", target, "a"), join("d", target, "a"), join("e", target, "a"));

        for (var one : joins) {
            var taken = one.get().taken();
            assertThat(taken.sources()).containsExactly("a");
            assertThat(taken.castSources()).containsExactly("a");
            assertThat(taken.castBytes())
                    .isEqualTo(taken.receivedBytes())
                    .isBetween(target.bytes(), target.bytes() + target.bytes() / 50);
            assertThat(one.get().loadedBytes()).isEqualTo(target.bytes());
        }
        for (var name : List.of("c", "d", "e")) {
            assertCameByCast(name, target);
            assertHolds(name, target);
        }
        assertThat(hosts.get("a").server.sentBytes()).as("what went over TCP").isLessThan(MIB);
        assertCastsEnd("a");
    }

    @Test
    void whatIsLostOnTheWayIsSentAgain() throws Exception {
        LOSS.forEach(System::setProperty);
        start(0, PATIENT, "a", "c", "d", "e");
        var target = publish("a");
        var joins = List.of(join("c", target, "a"), join("d", target, "a"), join("e", target, "a"));

        for (var one : joins) {
            assertThat(one.get().taken().resentBytes()).isZero();
        }
        for (var name : List.of("c", "d", "e")) {
            assertThat(gaps(name)).as("gaps in what came to " + name).isPositive();
            assertCameByCast(name, target);
            assertHolds(name, target);
        }
    }

    /** The number is of a part in the middle; the checkpoint's files are away, so only a host can give it. */
    @Test
    void aPartThatIsDamagedOnTheWayToOneIsAskedForAgainByThatOneAlone() throws Exception {
        int damaged = 7;
        FlippingReceiver.settings("inflight-test-c-", damaged).forEach(System::setProperty);
        start(0, PATIENT, "a", "c", "d", "e");
        var target = publish("a");
        var part = CastOrder.of(stored()).part(damaged);
        var files = Path.of(target.source());
        var away = Files.move(files, files.resolveSibling("away"));
        var joins = List.of(join("c", target, "a"), join("d", target, "a"), join("e", target, "a"));

        var report = joins.getFirst().get();
        assertThat(report.damage()).singleElement().satisfies(damage -> {
            assertThat(damage.place()).isEqualTo(Damage.Place.WIRE);
            assertThat(damage.host()).isEqualTo("c");
            assertThat(damage.file()).isEqualTo("v1.safetensors");
            var first = part.placements().getFirst().slice();
            assertThat(damage.tensor())
                    .isEqualTo(stored().layout().tensors().get(first.tensor()).name());
            assertThat(damage.begin()).isEqualTo(first.begin());
            assertThat(damage.mendedFrom()).isEqualTo("host a");
        });
        var taken = report.taken();
        assertThat(taken.resentBytes()).isEqualTo(part.bytes());
        assertThat(taken.receivedBytes() - taken.castBytes())
                .as("what was asked for")
                .isEqualTo(part.bytes());
        assertThat(hosts.get("a").server.sentBytes()).isBetween(part.bytes(), part.bytes() + MIB);
        for (var other : joins.subList(1, 3)) {
            assertThat(other.get().damage()).isEmpty();
            assertThat(other.get().taken().castBytes())
                    .isEqualTo(other.get().taken().receivedBytes());
        }
        Files.move(away, files);
        assertDamage("c", 1);
        assertDamage("d", 0);
        for (var name : List.of("c", "d", "e")) {
            assertHolds(name, target);
        }
    }

    @Test
    void whoGetsEveryPartDamagedTakesThemAllOverTcpAndTheOthersStayWithTheCast() throws Exception {
        FlippingReceiver.settings("inflight-test-c-", FlippingReceiver.ALL).forEach(System::setProperty);
        start(0, PATIENT, "a", "c", "d", "e");
        var target = publish("a");
        int parts = CastOrder.of(stored()).count();
        var joins = List.of(join("c", target, "a"), join("d", target, "a"), join("e", target, "a"));

        var report = joins.getFirst().get();
        var taken = report.taken();
        assertThat(taken.castBytes()).isEqualTo(taken.resentBytes()).isGreaterThanOrEqualTo(target.bytes());
        assertThat(taken.receivedBytes()).isEqualTo(2 * taken.castBytes());
        assertThat(taken.castSources()).containsExactly("a");
        assertThat(taken.sources()).containsExactly("a");
        assertThat(report.damage()).hasSize(Math.min(parts, StageReport.MOST_DAMAGE));
        assertDamage("c", parts);
        for (var other : joins.subList(1, 3)) {
            assertThat(other.get().taken().resentBytes()).isZero();
            assertThat(other.get().taken().castSources()).containsExactly("a");
        }
        for (var name : List.of("c", "d", "e")) {
            assertHolds(name, target);
        }
    }

    @Test
    void twoMachinesAreNotCastTo() throws Exception {
        start(0, SHORT, "a", "c", "d");
        var target = publish("a");
        var joins = List.of(join("c", target, "a"), join("d", target, "a"));

        for (var one : joins) {
            assertThat(one.get().taken().sources()).containsExactly("a");
            assertThat(one.get().taken().castBytes()).isZero();
            assertThat(one.get().taken().castSources()).isEmpty();
        }
        for (var name : List.of("c", "d")) {
            assertThat(hosts.get(name).aeron.receivedBytes()).isZero();
            assertHolds(name, target);
        }
        assertCastsEnd("a");
    }

    @Test
    void whenAThirdMachineJoinsTheOthersGoOverToTheCast() throws Exception {
        start(24 * MIB, SHORT, "a", "c", "d", "e");
        var target = publish("a");
        var first = join("c", target, "a");
        var second = join("d", target, "a");
        awaitChunks("c", 1);
        awaitChunks("d", 1);
        assertThat(hosts.get("c").aeron.receivedBytes()).isZero();
        var third = join("e", target, "a");

        for (var one : List.of(first, second, third)) {
            assertThat(one.get().taken().resentBytes()).isZero();
        }
        for (var name : List.of("c", "d", "e")) {
            assertThat(hosts.get(name).aeron.receivedBytes()).isPositive();
            assertHolds(name, target);
        }
        var taken = first.get().taken();
        assertThat(taken.castBytes())
                .as("the rest was asked for")
                .isEqualTo(hosts.get("c").aeron.receivedBytes())
                .isLessThan(taken.receivedBytes());
    }

    @Test
    void whoComesWhenACastRunsIsCastToAtOnceAndGetsTheBeginningAfterwards() throws Exception {
        start(24 * MIB, PATIENT, "a", "c", "d", "e", "f");
        var target = publish("a");
        var joins = new ArrayList<>(List.of(join("c", target, "a"), join("d", target, "a"), join("e", target, "a")));
        awaitChunks("c", 3);
        joins.add(join("f", target, "a"));

        for (var one : joins) {
            assertThat(one.get().taken().sources()).containsExactly("a");
        }
        for (var name : List.of("c", "d", "e", "f")) {
            assertCameByCast(name, target);
            assertHolds(name, target);
        }
    }

    @Test
    void aJoinerThatGivesUpHalfWayIsNotWaitedFor() throws Exception {
        start(24 * MIB, PATIENT, "a", "c", "d", "e");
        var target = publish("a");
        var gone = session("c", target, "a");
        var prepared = threads.submit(gone::prepare);
        var joins = List.of(join("d", target, "a"), join("e", target, "a"));
        prepared.get();
        awaitChunks("c", 3);
        gone.abort("changed its mind");

        for (var one : joins) {
            assertThat(one.get().taken().sources()).containsExactly("a");
        }
        for (var name : List.of("d", "e")) {
            assertCameByCast(name, target);
            assertHolds(name, target);
        }
    }

    /** Its machine answers, but nobody reads: the source gives the cast up, and the others take the rest over TCP. */
    @Test
    void aJoinerThatTakesNothingDoesNotHoldTheOthersUpForLong() throws Exception {
        start(0, PATIENT, "a", "c", "d", "e");
        var target = publish("a");
        try (var reader = PartCastReader.connect(hosts.get("a").server.endpoint(), PATIENT)) {
            var offer = threads.submit(() -> reader.await(stored().key(), "machine-stalled"));
            var joins = List.of(join("c", target, "a"), join("d", target, "a"));
            reader.join(hosts.get("e").aeron, offer.get(), 1);
            var all = new BitSet();
            all.set(0, SHARDS);
            reader.want(all);
            for (var one : joins) {
                assertThat(one.get().loadedBytes()).isEqualTo(target.bytes());
            }
        }
        for (var name : List.of("c", "d")) {
            assertThat(hosts.get(name).aeron.receivedBytes()).isLessThan(target.bytes());
            assertHolds(name, target);
        }
        assertCastsEnd("a");
    }

    @Test
    void whenTheSourceDiesHalfWayAnotherHolderGivesTheRest() throws Exception {
        start(24 * MIB, PATIENT, "a");
        start(0, PATIENT, "b", "c", "d", "e");
        var target = publish("a", "b");
        var joins = List.of(join("c", target, "a", "b"), join("d", target, "a", "b"), join("e", target, "a", "b"));
        awaitChunks("c", 8);
        hosts.get("a").server.close();
        hosts.get("a").casts.close();

        for (var one : joins) {
            assertThat(one.get().taken().sources()).contains("b");
            assertThat(one.get().taken().castBytes())
                    .isPositive()
                    .isLessThan(one.get().taken().receivedBytes());
            assertThat(one.get().loadedBytes()).isEqualTo(target.bytes());
        }
        for (var name : List.of("c", "d", "e")) {
            assertThat(hosts.get(name).aeron.receivedBytes()).isPositive();
            assertHolds(name, target);
        }
    }

    @Test
    void whereUdpDoesNotPassJoinsGoOnOverTcp() throws Exception {
        start(0, SHORT, "a", "c", "d", "e");
        var target = publish("a");
        // As if nothing arrived: it can not be received there.
        hosts.get("c").aeron.close();
        var joins = List.of(join("c", target, "a"), join("d", target, "a"), join("e", target, "a"));

        for (var one : joins) {
            assertThat(one.get().loadedBytes()).isEqualTo(target.bytes());
        }
        assertThat(hosts.get("c").aeron.receivedBytes()).isZero();
        for (var name : List.of("c", "d", "e")) {
            assertHolds(name, target);
        }
    }

    private void start(long bytesPerSecond, Duration gather, String... names) throws Exception {
        var setup = TestHost.in(directory).partLimit(bytesPerSecond).gather(gather);
        for (var name : names) {
            hosts.put(name, setup.start(name, "machine-" + name));
            chunks.put(name, new Semaphore(0));
        }
    }

    /** Every one of these hosts holds all of it: 32 MiB. */
    private CheckpointRef publish(String... names) throws Exception {
        var file = RandomCheckpoint.forJoins(15 * MIB).write(directory.resolve("v1.safetensors"));
        var nobody = KIT.<HostStoreEvent>createTestProbe().getRef();
        for (var name : names) {
            stored = hosts.get(name).loadAll("v1", file, SHARDS, nobody);
        }
        return stored().ref();
    }

    private StoredCheckpoint stored() {
        if (stored == null) {
            throw new IllegalStateException("nothing was published");
        }
        return stored;
    }

    private Membership.Host member(String name, List<ShardRange> shards) {
        var host = hosts.get(name);
        var place = new Place(host.context.joins().machine(), "", "", "239.192.71.1:40471");
        return new Membership.Host(name, host.server.endpoint(), shards, place, List.of(), 0);
    }

    private UpdateSession session(String joiner, CheckpointRef target, String... sources) {
        var host = hosts.get(joiner);
        var members = new ArrayList<Membership.Host>();
        for (var source : sources) {
            members.add(member(source, List.of(new ShardRange(0, SHARDS - 1))));
        }
        members.add(member(joiner, List.of()));
        var worker = new Membership.Worker(host.worker(), sources.length, true);
        epoch++;
        var order = new WorkerCommand.Prepare(
                epoch,
                "join-" + epoch,
                target,
                LoadMode.IN_PLACE,
                Strategy.P2P,
                new Membership(members, List.of(worker)),
                new Slots(3, 2 * MIB, "test"),
                Exchange.TRANSFERS,
                TestHost.PATIENCE.toMillis(),
                KIT.<WorkerEvent>createTestProbe().getRef());
        var told = chunks.get(joiner);
        return new UpdateSession(host.context, order, host.engine, bytes -> told.release());
    }

    private Future<StageReport> join(String joiner, CheckpointRef target, String... sources) {
        var session = session(joiner, target, sources);
        return threads.submit(() -> TestHost.run(session));
    }

    /** Waits until something has come so many times. */
    private void awaitChunks(String joiner, int count) throws InterruptedException {
        assertThat(chunks.get(joiner).tryAcquire(count, TestHost.PATIENCE.toSeconds(), TimeUnit.SECONDS))
                .isTrue();
    }

    /** What a host has found damaged, it has mended. */
    private void assertDamage(String name, int count) {
        var damage = hosts.get(name).store.damage();
        assertThat(damage.found(Damage.Place.WIRE)).isEqualTo(count);
        assertThat(damage.mended(Damage.Place.WIRE)).isEqualTo(count);
    }

    private void assertCameByCast(String name, CheckpointRef target) {
        assertThat(hosts.get(name).aeron.receivedBytes())
                .as("what was cast to " + name)
                .isBetween(target.bytes(), target.bytes() + target.bytes() / 50);
    }

    /** What the media driver of a host says it has missed. */
    private static int gaps(String name) throws Exception {
        int gaps = 0;
        var own = "inflight-test-" + name + "-" + ProcessHandle.current().pid() + "-aeron-*";
        try (var directories = Files.newDirectoryStream(Path.of("/dev/shm"), own)) {
            for (var one : directories) {
                var report = LossReportUtil.mapLossReportReadOnly(
                        one.resolve("driver").toString());
                gaps += LossReportReader.read(
                        new UnsafeBuffer(report), (count, bytes, first, last, session, stream, channel, from) -> {});
            }
        }
        return gaps;
    }

    /** Soon after the last receiver has left. */
    private void assertCastsEnd(String name) throws InterruptedException {
        long deadline = System.nanoTime() + TestHost.PATIENCE.toNanos();
        while (hosts.get(name).casts.running() > 0 && System.nanoTime() - deadline < 0) {
            Thread.sleep(10);
        }
        assertThat(hosts.get(name).casts.running()).isZero();
    }

    private void assertHolds(String name, CheckpointRef target) throws Exception {
        hosts.get(name).assertHolds(target, SHARDS);
    }
}
