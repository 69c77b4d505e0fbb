package dev.inflight.worker.update;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.FishingOutcomes;
import akka.actor.testkit.typed.javadsl.TestProbe;
import com.typesafe.config.ConfigFactory;
import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.checkpoint.SafetensorsWriter;
import dev.inflight.protocol.cluster.BandwidthLimit;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.Damage;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.Exchange;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.Standby;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.VerifyPoint;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.link.EngineMessage;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.ShardRange;
import dev.inflight.protocol.plan.Slots;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.transport.RateLimit;
import dev.inflight.worker.update.UpdateSession.AbortOutcome;
import dev.inflight.worker.verify.EngineVerifier;
import dev.inflight.worker.verify.StagedVerifier;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Two hosts, their stores, peer servers and slots, and a reference engine on each: everything but the actors. */
class UpdateSessionTest {
    private static final long MIB = 1 << 20;
    private static final ActorTestKit KIT = ActorTestKit.create(
            ConfigFactory.parseString("akka.actor.provider = local, akka.fail-mixed-versions = off"));

    @TempDir
    Path directory;

    private static final long RATE = 100 * MIB;
    private static final Duration BUSY = Duration.ofMillis(2200);

    private final List<TestHost> hosts = new ArrayList<>();
    private final TestProbe<WorkerEvent> coordinator = KIT.createTestProbe();

    private final AtomicLong loaded = new AtomicLong();
    private Duration patience = TestHost.PATIENCE;
    private boolean repairs;

    /** One for each host that there was at the last publish. */
    private int shards;

    private Exchange exchange = Exchange.TRANSFERS;
    private List<BandwidthLimit> limits = List.of();

    /** Where checkpoints are published from, if not from {@link #directory}. */
    private @Nullable Path checkpoints;

    @AfterAll
    static void stopActors() {
        KIT.shutdownTestKit();
    }

    @AfterEach
    void stopHosts() throws Exception {
        for (var host : hosts) {
            assertThat(host.device.ringsOut())
                    .as("slot rings that host %s did not get back", host.name)
                    .isZero();
            host.close();
        }
    }

    @ParameterizedTest(name = "{0} slots, {1}, second host on {2}")
    @CsvSource({
        "3, IN_PLACE, this-machine",
        "3, SHADOW, this-machine",
        "3, IN_PLACE, another-machine",
        "2, SHADOW, another-machine",
        "1, IN_PLACE, another-machine",
    })
    void bothEnginesEndWithExactlyThePublishedBytes(int slots, LoadMode mode, String secondMachine) throws Exception {
        start("this-machine", secondMachine);
        var first = publish("v1", 1);
        var second = publish("v2", 2);
        update(1, first, mode, slots);
        assertThat(mismatches(first)).containsExactly(0L, 0L);
        assertThat(mismatches(second)).allMatch(count -> count > 0);
        update(2, second, mode, slots);
        assertThat(mismatches(second)).containsExactly(0L, 0L);
    }

    @ParameterizedTest(name = "{0} slots, {1}")
    @CsvSource({"3, IN_PLACE", "1, SHADOW"})
    void bucketsAreCastToAllHostsOfOtherMachinesAtOnce(int slots, LoadMode mode) throws Exception {
        exchange = Exchange.AERON;
        start("one-machine", "another-machine", "one-machine", "a-third-machine");
        var first = publish("v1", 1);
        var second = publish("v2", 2);
        update(1, first, mode, slots);
        assertThat(mismatches(first)).containsOnly(0L);
        long landed = update(2, second, mode, slots).stream()
                .mapToLong(WorkerEvent.StageReport::landedBytes)
                .sum();
        assertThat(mismatches(second)).containsOnly(0L);
        long cast = hosts.stream().mapToLong(host -> host.aeron.receivedBytes()).sum();
        assertThat(cast).as("nothing went over TCP").isEqualTo(2 * landed).isPositive();
    }

    @Test
    void anOwnerKeepsToTheLimitOfItsUpdateWithAllReceiversTogether() throws Exception {
        long rate = 40 * MIB;
        limits = List.of(new BandwidthLimit("model m", rate));
        start("one-machine", "another-machine", "a-third-machine");
        var target = publish("v1", 1);
        long begin = System.nanoTime();
        long landed = update(1, target, LoadMode.SHADOW, 3).stream()
                .mapToLong(WorkerEvent.StageReport::landedBytes)
                .sum();
        double seconds = (System.nanoTime() - begin) / 1e9;

        assertThat(landed).isGreaterThanOrEqualTo(2 * target.bytes());
        assertThat(seconds)
                .as("of three hosts one at least sends a third of it")
                .isGreaterThanOrEqualTo(landed / 3.0 / rate);
        coordinator.fishForMessage(
                TestHost.PATIENCE,
                event -> event instanceof WorkerEvent.HeldUp ? FishingOutcomes.complete() : FishingOutcomes.fail("?"));
        assertThat(mismatches(target)).containsOnly(0L);
    }

    @Test
    void whatACastDoesNotBringComesOverTcp() throws Exception {
        exchange = Exchange.AERON;
        start("one-machine", "another-machine", "a-third-machine");
        var target = publish("v1", 1);
        var sessions = prepare(1, target, LoadMode.IN_PLACE, 2);
        hosts.get(1).aeron.close();
        begin(sessions);
        together(sessions, UpdateSession::stream);
        together(sessions, UpdateSession::commit);
        sessions.forEach(UpdateSession::close);
        assertThat(mismatches(target)).containsOnly(0L);
        assertThat(hosts.get(1).aeron.receivedBytes()).isLessThan(target.bytes());
    }

    @Test
    void aCastUpdateThatFailsEndsOnAllHostsAndTheNextOneWorks() throws Exception {
        exchange = Exchange.AERON;
        start("one-machine", "another-machine");
        var first = publish("v1", 1);
        var sessions = prepare(1, first, LoadMode.IN_PLACE, 3);
        begin(sessions);
        sessions.getFirst().fail("the coordinator aborted", null);
        sessions.getFirst().abort("the coordinator aborted");
        assertThatThrownBy(() -> together(sessions.subList(1, 2), UpdateSession::stream))
                .hasStackTraceContaining("a/0");
        sessions.get(1).abort("its peer is gone");
        update(2, first, LoadMode.IN_PLACE, 3);
        assertThat(mismatches(first)).containsOnly(0L);
    }

    @Test
    void whatStandsByIsTakenBackBitByBitWithoutABucket() throws Exception {
        start("this-machine", "another-machine");
        var first = publish("v1", 1);
        var second = publish("v2", 2);
        update(1, first, LoadMode.SHADOW, 3);
        update(2, second, LoadMode.SHADOW, 3);
        var swaps = prepare(3, first, LoadMode.SHADOW, Strategy.STANDBY, 0);
        begin(swaps);
        var reports = together(swaps, UpdateSession::stream);
        assertThat(reports).allMatch(report -> report.loadedBytes() == 0);
        together(swaps, UpdateSession::commit);
        assertThat(swaps).extracting(UpdateSession::standby).containsOnly(new Standby("v2", second.digest()));
        swaps.forEach(UpdateSession::close);
        assertThat(mismatches(first)).containsExactly(0L, 0L);
    }

    @Test
    void anEngineInWhichNothingStandsByRefusesAndGoesOn() throws Exception {
        start("this-machine");
        var first = publish("v1", 1);
        update(1, first, LoadMode.IN_PLACE, 3);
        var swap = prepare(2, first, LoadMode.SHADOW, Strategy.STANDBY, 0).getFirst();
        assertThatThrownBy(swap::begin).hasMessageContaining("nothing does");
        assertThat(((AbortOutcome.Answered) swap.abort("it refused")).answer().state())
                .isEqualTo(EngineStatus.State.SERVING);
        assertThat(mismatches(first)).containsExactly(0L);
    }

    @Test
    void bucketsAreReadInTheStoreAndNotCopied() throws Exception {
        start("this-machine", "this-machine");
        var reports = update(1, publish("v1", 1), LoadMode.IN_PLACE, 3);
        assertThat(reports).allMatch(report -> report.h2dMicros() == 0 && report.verifyMicros() > 0);
    }

    @Test
    void bucketsOfFilesThatOthersMayChangeAreCopiedAndTheCopyIsVerified() throws Exception {
        start("this-machine", "this-machine");
        checkpoints = Files.createTempDirectory(Path.of("/dev/shm"), "inflight-test-");
        try {
            var target = publish("v1", 1);
            var reports = update(1, target, LoadMode.IN_PLACE, 3);
            assertThat(reports).allMatch(report -> report.h2dMicros() > 0 && report.verifyMicros() > 0);
            assertThat(mismatches(target)).containsExactly(0L, 0L);
        } finally {
            Files.delete(checkpoints.resolve("v1.safetensors"));
            Files.delete(checkpoints);
        }
    }

    @Test
    void anUpdateLeavesATimelineOfEveryBucketAndStage() throws Exception {
        start("this-machine", "another-machine");
        update(1, publish("v1", 1), LoadMode.IN_PLACE, 3);
        for (var host : hosts) {
            var trace = Files.readString(directory.resolve("1-" + host.name + "_0.json"));
            assertThat(trace).contains("\"tid\":\"reload\"").contains("\"name\":\"bucket 0\"");
        }
    }

    @Test
    void sharedMemoryDoesNotGrowWithTheNumberOfUpdates() throws Exception {
        start("this-machine", "another-machine");
        var first = publish("v1", 1);
        var second = publish("v2", 2);
        update(1, first, LoadMode.IN_PLACE, 3);
        update(2, second, LoadMode.SHADOW, 3);
        long before = sharedBytes();
        for (int epoch = 3; epoch < 9; epoch++) {
            update(epoch, epoch % 2 == 0 ? second : first, epoch < 6 ? LoadMode.IN_PLACE : LoadMode.SHADOW, 3);
        }
        assertThat(sharedBytes()).isEqualTo(before);
    }

    private static long sharedBytes() throws IOException {
        long bytes = 0;
        try (var files = Files.newDirectoryStream(
                Path.of("/dev/shm"),
                "inflight-test_*-" + ProcessHandle.current().pid() + "-*")) {
            for (var file : files) {
                bytes += Files.size(file);
            }
        }
        return bytes;
    }

    @Test
    void aByteThatWasFlippedInTheHostStoreIsMendedAndTheUpdateGoesOn() throws Exception {
        start("this-machine", "this-machine");
        update(1, publish("v1", 1), LoadMode.SHADOW, 3);
        var second = publish("v2", 2);
        flipAByte(hosts.getFirst().store.adopt(second, List.of()));

        var reports = update(2, second, LoadMode.SHADOW, 3);

        assertThat(reports.get(1).damage()).isEmpty();
        var found = reports.getFirst().damage();
        assertThat(found).singleElement().satisfies(damage -> {
            assertThat(damage.place()).isEqualTo(Damage.Place.STORE);
            assertThat(damage.host()).isEqualTo("a");
            assertThat(damage.file()).isEqualTo("v2.safetensors");
            assertThat(damage.tensor()).startsWith("model.layers.");
            assertThat(damage.mendedFrom()).isEqualTo(second.source());
        });
        assertThat(mismatches(second)).containsExactly(0L, 0L);
        assertThat(update(3, second, LoadMode.SHADOW, 3))
                .allMatch(report -> report.damage().isEmpty());
    }

    @Test
    void aByteThatNobodyCanMendIsNamedAndTheShardIsNotServedAnyMore() throws Exception {
        start("this-machine", "this-machine");
        var first = publish("v1", 1);
        var second = publish("v2", 2);
        update(1, first, LoadMode.SHADOW, 3);
        flipAByte(hosts.getFirst().store.adopt(second, List.of()));
        Files.delete(Path.of(second.source()));
        var sessions = sessions(2, second, LoadMode.SHADOW, 3);
        // The first buckets move at once, so it may be found in any of the steps.
        assertThatThrownBy(() -> {
                    together(sessions, UpdateSession::prepare);
                    begin(sessions);
                    together(sessions, UpdateSession::stream);
                })
                .hasStackTraceContaining("a: v2.safetensors: tensor \"model.layers.")
                .hasStackTraceContaining("is not what was published as m v2; it can not be mended")
                .hasStackTraceContaining("v2.safetensors: no such file or directory");
        for (var session : sessions) {
            assertThat(session.abort("the test ends it"))
                    .isIn(
                            new AbortOutcome.Untouched(),
                            new AbortOutcome.Answered(new EngineMessage.Aborted(2, EngineStatus.State.SERVING, "v1")));
        }
        assertThat(mismatches(first)).containsExactly(0L, 0L);
        assertThat(hosts.getFirst().store.held())
                .extracting(held -> held.checkpoint().version())
                .containsExactly("v1");
    }

    @Test
    void anEngineThatRefusesALoadIsTheReasonAndAtOnce() throws Exception {
        start("this-machine", "this-machine");
        update(1, publish("v1", 1), LoadMode.IN_PLACE, 3);
        var misfit = publish("v2", 2, 500_000);
        var sessions = prepare(2, misfit, LoadMode.IN_PLACE, 3);
        begin(sessions);
        // Whichever engine refuses first, the other worker may only see its peer go.
        assertThat(together(sessions, UpdateSessionTest::failureOfStreaming))
                .anySatisfy(message -> assertThat(message).contains("engine engine-", "tensor \"model.layers."));
        for (var session : sessions) {
            assertThat(session.abort("the engine refused"))
                    .isEqualTo(new AbortOutcome.Answered(
                            new EngineMessage.Aborted(2, EngineStatus.State.PENDING_WEIGHTS, null)));
        }
    }

    private static String failureOfStreaming(UpdateSession session) throws InterruptedException {
        try {
            session.stream();
            return "streamed";
        } catch (UpdateException e) {
            return String.valueOf(e.getMessage());
        }
    }

    @Test
    void goesOnWithoutAReceiverThatIsLostAndHasNothingToSend() throws Exception {
        start("this-machine", "another-machine");
        var target = publish("v1", 1);
        hosts.add(TestHost.in(directory).start("c", "another-machine"));
        var sessions = prepare(1, target, LoadMode.IN_PLACE, 3);
        begin(sessions);
        sessions.get(2).abort("its engine is gone");
        var others = sessions.subList(0, 2);
        others.forEach(session -> session.drop("c/0"));
        assertThat(together(others, UpdateSession::stream)).allMatch(report -> report.loadedBytes() == target.bytes());
        together(others, UpdateSession::commit);
        others.forEach(UpdateSession::close);
    }

    @ParameterizedTest(name = "{0}, owner on {1}, another receiver on {2}, {3} slots")
    @CsvSource({
        "IN_PLACE, this-machine, this-machine, 3",
        "SHADOW, another-machine, this-machine, 3",
        "IN_PLACE, another-machine, another-machine, 2",
        "SHADOW, this-machine, another-machine, 1",
    })
    void whatALostOwnerHadIsTakenOutOfAnothersStore(LoadMode mode, String ofOwner, String ofOther, int slots)
            throws Exception {
        start("this-machine", ofOther, ofOwner);
        var target = publish("v1", 1);
        var sessions = repairable(1, target, mode, slots);
        begin(sessions);
        var others = sessions.subList(0, 2);
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var streaming = others.stream()
                    .map(session -> threads.submit(session::stream))
                    .toList();
            // It has sent what its slots hold, and sends no more.
            awaitProgress(1);
            lose(sessions.get(2), others);
            hosts.get(1).store.restore(restore(target, 2), bytes -> {});
            others.forEach(session -> session.repair(List.of("c/0"), holders(hosts.get(1), 2)));
            for (var one : streaming) {
                assertThat(one.get().loadedBytes()).isEqualTo(target.bytes());
            }
        }
        commitWithoutTheThird(others, target);
    }

    @Test
    void nobodyRunsOutOfPatienceWhileAStandInIsSought() throws Exception {
        start("this-machine", "another-machine", "another-machine");
        var target = publish("v1", 1);
        patience = Duration.ofSeconds(1);
        var sessions = repairable(1, target, LoadMode.SHADOW, 3);
        begin(sessions);
        var others = sessions.subList(0, 2);
        lose(sessions.get(2), others);
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var streaming = others.stream()
                    .map(session -> threads.submit(session::stream))
                    .toList();
            assertThatThrownBy(() -> streaming.getFirst().get(3 * patience.toMillis(), TimeUnit.MILLISECONDS))
                    .isInstanceOf(TimeoutException.class);
            // The one that shall stand in is lost as well: nothing answers there.
            var gone = new Membership.Host("gone", "127.0.0.1:1", List.of(new ShardRange(2, 2)));
            others.forEach(session -> session.repair(List.of("c/0"), List.of(gone)));
            others.forEach(session -> session.repair(List.of("c/0"), List.of()));
            hosts.getFirst().store.restore(restore(target, 2), bytes -> {});
            others.forEach(session -> session.repair(List.of("c/0"), holders(hosts.getFirst(), 2)));
            for (var one : streaming) {
                assertThat(one.get().loadedBytes()).isEqualTo(target.bytes());
            }
        }
        commitWithoutTheThird(others, target);
    }

    @Test
    void whoWaitsForItsTurnAtAStandInIsNotTakenForStalledByAnybody() throws Exception {
        var limit = startLimited();
        var target = publish("v1", 1);
        patience = Duration.ofSeconds(1);
        var sessions = repairable(1, target, LoadMode.SHADOW, 3);
        begin(sessions);
        var others = sessions.subList(0, 2);
        lose(sessions.get(2), others);
        hosts.get(1).store.restore(restore(target, 2), bytes -> {});
        long begin = System.nanoTime();
        var busy = occupy(limit);
        others.forEach(session -> session.repair(List.of("c/0"), holders(hosts.get(1), 2)));
        streamHoldingOn(others);
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isGreaterThan(BUSY);
        busy.join();
        commitWithoutTheThird(others, target);
    }

    @Test
    void whoWaitsForItsTurnInALimitedUpdateIsNotTakenForStalledByAnybody() throws Exception {
        var limit = startLimited();
        var target = publish("v1", 1);
        patience = Duration.ofSeconds(1);
        limits = List.of(new BandwidthLimit("model m", 1L << 30));
        var sessions = prepare(1, target, LoadMode.SHADOW, 3);
        begin(sessions);
        long begin = System.nanoTime();
        var busy = occupy(limit);
        streamHoldingOn(sessions);
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isGreaterThan(BUSY);
        busy.join();
        together(sessions, UpdateSession::commit);
        sessions.forEach(UpdateSession::close);
        assertThat(mismatches(target)).containsOnly(0L);
    }

    private void commitWithoutTheThird(List<UpdateSession> others, CheckpointRef target) throws Exception {
        together(others, UpdateSession::commit);
        others.forEach(UpdateSession::close);
        hosts.remove(2).close();
        assertThat(mismatches(target)).containsExactly(0L, 0L);
    }

    /** Three hosts of three machines, the second with a limit of its own. */
    private RateLimit startLimited() throws Exception {
        var limit = new RateLimit(RATE);
        start("one-machine");
        hosts.add(TestHost.in(directory).partLimit(limit).start("b", "another-machine"));
        hosts.add(TestHost.in(directory).start("c", "a-third-machine"));
        return limit;
    }

    /** Somebody else has a turn that is longer than anybody's patience. */
    private static Thread occupy(RateLimit limit) throws InterruptedException {
        var taken = new CountDownLatch(1);
        var busy = Thread.ofVirtual().start(() -> {
            taken.countDown();
            try {
                limit.take(RATE * BUSY.toMillis() / 1000);
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        });
        taken.await();
        while (busy.getState() == Thread.State.RUNNABLE) {
            Thread.onSpinWait();
        }
        return busy;
    }

    /** Has all members hold on as the coordinator does while one of them says that it is held up. */
    private void streamHoldingOn(List<UpdateSession> sessions) throws Exception {
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var streaming = sessions.stream()
                    .map(session -> threads.submit(session::stream))
                    .toList();
            var told = new AtomicBoolean(true);
            var telling = threads.submit(() -> {
                while (told.get()) {
                    if (coordinator.receiveMessage(TestHost.PATIENCE) instanceof WorkerEvent.HeldUp) {
                        sessions.forEach(UpdateSession::holdOn);
                    }
                }
            });
            for (var one : streaming) {
                one.get();
            }
            told.set(false);
            coordinator.getRef().tell(new WorkerEvent.HeldUp("nobody", 1));
            telling.get();
        }
    }

    @Test
    void ownersLostOneAfterTheOtherAreReplacedInPlanOrder() throws Exception {
        start("this-machine", "this-machine", "another-machine");
        var target = publish("v1", 1);
        var sessions = repairable(1, target, LoadMode.IN_PLACE, 3);
        begin(sessions);
        var left = sessions.getFirst();
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var streaming = threads.submit(left::stream);
            lose(sessions.get(2), List.of(left));
            hosts.getFirst().store.restore(restore(target, 2), bytes -> {});
            left.repair(List.of("c/0"), holders(hosts.getFirst(), 2));
            sessions.get(1).abort("its engine is gone");
            left.drop("b/0");
            // Its host lives, and so does its store.
            left.repair(
                    List.of("b/0", "c/0"),
                    List.of(
                            holders(hosts.getFirst(), 2).getFirst(),
                            holders(hosts.get(1), 1).getFirst()));
            assertThat(streaming.get().loadedBytes()).isEqualTo(target.bytes());
        }
        left.commit();
        left.close();
        hosts.remove(2).close();
        hosts.remove(1).close();
        assertThat(mismatches(target)).containsExactly(0L);
    }

    @Test
    void anOwnerThatNobodyReplacesIsTheReasonWithinTheStallTimeout() throws Exception {
        start("this-machine", "another-machine");
        var target = publish("v1", 1);
        patience = Duration.ofSeconds(1);
        var sessions = repairable(1, target, LoadMode.SHADOW, 3);
        begin(sessions);
        sessions.get(1).abort("the test ends it");
        // Its own slots, which the lost one holds, may be waited for as long.
        assertThatThrownBy(sessions.getFirst()::stream)
                .isInstanceOf(UpdateException.class)
                .hasMessageMatching(
                        "(owner b/0 was lost and nobody took its place within 1000 ms|nothing moved.*b/0).*");
        sessions.getFirst().abort("the test ends it");
    }

    @Test
    void anOwnerThatLivesGoesOnWhenAnotherTakesWhatItHasFromItsStore() throws Exception {
        start("this-machine", "another-machine");
        var target = publish("v1", 1);
        var sessions = repairable(1, target, LoadMode.SHADOW, 1);
        begin(sessions);
        sessions.getFirst().repair(List.of("b/0"), holders(hosts.get(1), 1));
        sessions.get(1).drop("a/0");
        sessions.get(1).repair(List.of(), holders(hosts.get(1), 1));
        assertThat(together(sessions, UpdateSession::stream))
                .allMatch(report -> report.loadedBytes() == target.bytes());
        together(sessions, UpdateSession::commit);
        sessions.forEach(UpdateSession::close);
        assertThat(mismatches(target)).containsExactly(0L, 0L);
        coordinator.fishForMessage(
                TestHost.PATIENCE,
                event -> event instanceof WorkerEvent.OwnerLost told
                                && told.owner().equals("b/0")
                        ? FishingOutcomes.complete()
                        : FishingOutcomes.continueAndIgnore());
    }

    private void awaitProgress(long bytes) throws InterruptedException {
        while (loaded.get() < bytes) {
            Thread.sleep(1);
        }
    }

    /** As if its process were killed: nobody answers any more. */
    private void lose(UpdateSession owner, List<UpdateSession> others) throws Exception {
        hosts.getLast().server.close();
        owner.abort("the test ends it");
        others.forEach(session -> {
            session.drop("c/0");
            session.repair(List.of("c/0"), List.of());
        });
    }

    private static HostStoreCommand.Restore restore(CheckpointRef target, int shard) {
        return new HostStoreCommand.Restore(
                "restore",
                target,
                List.of(new ShardRange(shard, shard)),
                KIT.<HostStoreEvent>createTestProbe().getRef());
    }

    private static List<Membership.Host> holders(TestHost host, int shard) {
        return List.of(new Membership.Host(host.name, host.server.endpoint(), List.of(new ShardRange(shard, shard))));
    }

    @Test
    void anAbortBeforeBeginLeavesTheEngineUntouchedAndBeginRefused() throws Exception {
        start("this-machine");
        var sessions = prepare(1, publish("v1", 1), LoadMode.IN_PLACE, 3);
        var session = sessions.getFirst();
        assertThat(session.abort("the coordinator aborted")).isEqualTo(new AbortOutcome.Untouched());
        assertThatThrownBy(session::begin).hasMessage("the coordinator aborted");
        assertThat(session.abort("again")).isEqualTo(new AbortOutcome.Untouched());
    }

    @ParameterizedTest
    @CsvSource({"IN_PLACE", "SHADOW"})
    void whatEnginesHaveLoadedIsComparedBeforeItIsLive(LoadMode mode) throws Exception {
        start("this-machine", "another-machine");
        var first = publish("v1", 1);
        var second = publish("v2", 2);
        update(1, first, LoadMode.SHADOW, 3);
        var sessions = prepare(2, second, mode, 3);
        begin(sessions);
        var reports = together(sessions, UpdateSession::stream);

        var compared = new AtomicLong();
        var verified = together(hosts, host -> staged(host, 2, second, compared).verified(reports.getFirst()));

        assertThat(verified).allMatch(report -> report.engineVerifyMicros() > 0);
        assertThat(compared).hasValue(second.bytes());
        // As if other bytes had been published than the engine has: what it serves by now does not count.
        assertThatThrownBy(() -> staged(hosts.getFirst(), 2, first, compared).verified(reports.getFirst()))
                .hasMessageStartingWith("a: engine engine-a has loaded bytes that are not what was published as m v1: "
                        + "v1.safetensors: tensor \"model.")
                .hasMessageContaining(" more tensors");
        together(sessions, UpdateSession::commit);
        sessions.forEach(UpdateSession::close);
        assertThat(mismatches(second)).containsExactly(0L, 0L);
        assertThat(hosts).allMatch(host -> host.device.ringsOut() == 0);
    }

    @Test
    void whatStoodByIsComparedBeforeItIsLiveAgain() throws Exception {
        start("this-machine");
        var first = publish("v1", 1);
        var second = publish("v2", 2);
        update(1, first, LoadMode.SHADOW, 3);
        update(2, second, LoadMode.SHADOW, 3);
        var swap = prepare(3, first, LoadMode.SHADOW, Strategy.STANDBY, 3);
        begin(swap);
        var report = together(swap, UpdateSession::stream).getFirst();

        assertThat(staged(hosts.getFirst(), 3, first, new AtomicLong()).verified(report))
                .isNotEqualTo(report);
        assertThatThrownBy(() ->
                        staged(hosts.getFirst(), 3, second, new AtomicLong()).verified(report))
                .hasMessageContaining("not what was published as m v2");
        swap.getFirst().abort("the test ends it");
        // Nothing is staged any more: the engine says so, and is not taken for lost.
        assertThatThrownBy(() ->
                        staged(hosts.getFirst(), 3, first, new AtomicLong()).verified(report))
                .isInstanceOfSatisfying(
                        UpdateException.class, e -> assertThat(e.suspect()).isNull())
                .hasMessageContaining("no update is running");
    }

    private StagedVerifier staged(TestHost host, long epoch, CheckpointRef target, AtomicLong compared) {
        var order = order(epoch, target, LoadMode.SHADOW, Strategy.BROADCAST, 3);
        return new StagedVerifier(host.context, order, host.engine, compared::set);
    }

    @Test
    void anUpdateFailedFromOutsideEndsOnBothHostsAndTheNextOneWorks() throws Exception {
        start("this-machine", "another-machine");
        var first = publish("v1", 1);
        var sessions = prepare(1, first, LoadMode.IN_PLACE, 3);
        begin(sessions);
        sessions.getFirst().fail("the coordinator aborted", null);
        assertThatThrownBy(() -> together(sessions.subList(0, 1), UpdateSession::stream))
                .hasStackTraceContaining("the coordinator aborted");
        sessions.getFirst().abort("the coordinator aborted");
        assertThatThrownBy(() -> together(sessions.subList(1, 2), UpdateSession::stream))
                .hasStackTraceContaining("a/0");
        sessions.get(1).abort("its peer is gone");
        update(2, first, LoadMode.IN_PLACE, 3);
        assertThat(mismatches(first)).containsExactly(0L, 0L);
    }

    private void start(String... machines) throws Exception {
        for (int i = 0; i < machines.length; i++) {
            hosts.add(TestHost.in(directory).start(String.valueOf((char) ('a' + i)), machines[i]));
        }
    }

    /** Writes a checkpoint with many small tensors, one larger than a slot, an empty one and a scalar; loads it. */
    private CheckpointRef publish(String version, long seed) throws Exception {
        return publish(version, seed, 300_000);
    }

    private CheckpointRef publish(String version, long seed, int layerBytes) throws Exception {
        var scale = new byte[] {1, 2, 3, (byte) seed};
        var file = new RandomCheckpoint(seed)
                .layers(12, layerBytes, "self_attn.q_proj", "self_attn.k_proj", "mlp.up_proj")
                .with("model.embed_tokens.weight", 9 * MIB + 2)
                .with(SafetensorsWriter.Tensor.of("model.empty", Dtype.F32, List.of(0L, 4L), new byte[0]))
                .with(SafetensorsWriter.Tensor.of("model.scale", Dtype.F32, List.of(), scale))
                .write((checkpoints == null ? directory : checkpoints).resolve(version + ".safetensors"));
        shards = hosts.size();
        var holders = new ArrayList<HostStoreCommand.Holder>();
        for (int i = 0; i < hosts.size(); i++) {
            holders.add(hosts.get(i).holder(i, i));
        }
        var stored = together(
                hosts,
                host -> host.load(
                        version,
                        file,
                        hosts.size(),
                        holders,
                        KIT.<HostStoreEvent>createTestProbe().getRef()));
        assertThat(stored)
                .extracting(checkpoint -> checkpoint.ref().digest())
                .containsOnly(stored.getFirst().ref().digest());
        return stored.getFirst().ref();
    }

    private Membership membership() {
        var members = new ArrayList<Membership.Host>();
        var workers = new ArrayList<Membership.Worker>();
        for (int i = 0; i < hosts.size(); i++) {
            var host = hosts.get(i);
            members.add(new Membership.Host(
                    host.name, host.server.endpoint(), i < shards ? List.of(new ShardRange(i, i)) : List.of()));
            workers.add(new Membership.Worker(host.worker(), i, true));
        }
        return new Membership(members, workers);
    }

    private List<UpdateSession> prepare(long epoch, CheckpointRef target, LoadMode mode, int slots) throws Exception {
        return prepare(epoch, target, mode, Strategy.BROADCAST, slots);
    }

    private List<UpdateSession> prepare(long epoch, CheckpointRef target, LoadMode mode, Strategy strategy, int slots)
            throws Exception {
        var sessions = sessions(epoch, target, mode, strategy, slots);
        assertThat(together(sessions, UpdateSession::prepare).stream().distinct())
                .hasSize(1);
        return sessions;
    }

    private List<UpdateSession> repairable(long epoch, CheckpointRef target, LoadMode mode, int slots)
            throws Exception {
        repairs = true;
        return prepare(epoch, target, mode, slots);
    }

    private List<UpdateSession> sessions(long epoch, CheckpointRef target, LoadMode mode, int slots) {
        return sessions(epoch, target, mode, Strategy.BROADCAST, slots);
    }

    private List<UpdateSession> sessions(
            long epoch, CheckpointRef target, LoadMode mode, Strategy strategy, int slots) {
        var order = order(epoch, target, mode, strategy, slots);
        return hosts.stream()
                .map(host -> new UpdateSession(host.context, order, host.engine, loaded::set))
                .toList();
    }

    private WorkerCommand.Prepare order(long epoch, CheckpointRef target, LoadMode mode, Strategy strategy, int slots) {
        return new WorkerCommand.Prepare(
                epoch,
                "update-" + epoch,
                target,
                mode,
                strategy,
                membership(),
                new Slots(slots, 2 * MIB, "test"),
                exchange,
                patience.toMillis(),
                repairs,
                VerifyPoint.ENGINE,
                limits,
                coordinator.getRef());
    }

    private static void begin(List<UpdateSession> sessions) throws Exception {
        together(sessions, session -> {
            session.begin();
            return true;
        });
    }

    private List<WorkerEvent.StageReport> update(long epoch, CheckpointRef target, LoadMode mode, int slots)
            throws Exception {
        var sessions = prepare(epoch, target, mode, slots);
        begin(sessions);
        var reports = together(sessions, UpdateSession::stream);
        assertThat(reports).allMatch(report -> report.loadedBytes() == target.bytes());
        together(sessions, UpdateSession::commit);
        sessions.forEach(UpdateSession::close);
        return reports;
    }

    private List<Long> mismatches(CheckpointRef expected) throws Exception {
        return together(hosts, host -> {
            var status = new EngineStatus(
                    "e", "m", 1, List.of(), false, EngineStatus.State.SERVING, expected.version(), null, null);
            var order = new WorkerCommand.Verify(
                    "verify",
                    expected,
                    membership(),
                    KIT.<WorkerEvent>createTestProbe().getRef());
            var verified = (WorkerEvent.Verified) new EngineVerifier(host.context, host.engine, status).verify(order);
            assertThat(verified.error()).isNull();
            assertThat(verified.tensors()).isEqualTo(expected.tensors());
            return verified.mismatches();
        });
    }

    private static void flipAByte(StoredCheckpoint checkpoint) {
        var shard = checkpoint.sharding().shards().getFirst();
        var slice = shard.slices().stream()
                .filter(s ->
                        checkpoint.layout().tensors().get(s.tensor()).name().contains("layers"))
                .findFirst()
                .orElseThrow();
        var bytes = checkpoint.bytes(slice);
        var type = ValueLayout.JAVA_BYTE;
        bytes.set(type, 4711, (byte) (bytes.get(type, 4711) ^ 1));
    }

    private interface Task<A, B> {
        B run(A argument) throws Exception;
    }

    /** Runs a step on all hosts at the same time, as the hosts of a cluster do. */
    private static <A, B> List<B> together(List<A> arguments, Task<A, B> task) throws Exception {
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var running = arguments.stream()
                    .map(argument -> threads.submit((Callable<B>) () -> task.run(argument)))
                    .toList();
            var results = new ArrayList<B>();
            for (var one : running) {
                results.add(one.get());
            }
            return results;
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
    }
}
