package dev.inflight.worker.update;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.FishingOutcomes;
import akka.actor.testkit.typed.javadsl.TestProbe;
import com.typesafe.config.ConfigFactory;
import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.checkpoint.SafetensorsWriter;
import dev.inflight.protocol.cluster.Damage;
import dev.inflight.protocol.cluster.Damage.Place;
import dev.inflight.protocol.cluster.Exchange;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.VerifyPoint;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Owner;
import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.Placement;
import dev.inflight.protocol.plan.ShardRange;
import dev.inflight.protocol.plan.Slice;
import dev.inflight.protocol.plan.Slots;
import dev.inflight.protocol.plan.UpdatePlan;
import dev.inflight.worker.aeron.FlippingReceiver;
import dev.inflight.worker.store.CorruptBlockException;
import dev.inflight.worker.store.StoreException;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.transport.PartKey;
import dev.inflight.worker.transport.PartReader;
import dev.inflight.worker.transport.PeerException;
import dev.inflight.worker.transport.SourcePace;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two hosts that hold the same shard, whose bytes are then damaged. */
class MendingTest {
    private static final int TENSOR_BYTES = 5 << 20;
    private static final int AT = (1 << 20) + 17;
    private static final ActorTestKit KIT = ActorTestKit.create(
            ConfigFactory.parseString("akka.actor.provider = local, akka.fail-mixed-versions = off"));

    @TempDir
    Path directory;

    private final byte[] published = new byte[TENSOR_BYTES];
    private Path file;
    private TestHost a;
    private TestHost b;
    private StoredCheckpoint onA;
    private StoredCheckpoint onB;

    @AfterAll
    static void stopKit() {
        KIT.shutdownTestKit();
    }

    @BeforeEach
    void start() throws Exception {
        a = TestHost.in(directory).start("a", "one-machine");
        b = TestHost.in(directory).start("b", "another-machine");
        new Random(1).nextBytes(published);
        file = directory.resolve("v1.safetensors");
        SafetensorsWriter.write(
                file,
                Map.of(),
                List.of(SafetensorsWriter.Tensor.of("weight", Dtype.U8, List.of((long) TENSOR_BYTES), published)));
        onA = load(a);
        onB = load(b);
        onA.alsoHeldBy(List.of(host(a), host(b)));
        onB.alsoHeldBy(List.of(host(a), host(b)));
    }

    @AfterEach
    void stop() throws IOException {
        a.close();
        b.close();
    }

    private static StoredCheckpoint load(TestHost host) throws InterruptedException {
        List<HostStoreCommand.Holder> alone = List.of(host.holder(0, 0));
        return host.load(
                "v1",
                host.directory.resolve("v1.safetensors"),
                1,
                alone,
                KIT.<HostStoreEvent>createTestProbe().getRef());
    }

    private static Membership.Host host(TestHost host) {
        return new Membership.Host(host.name, host.server.endpoint(), List.of(new ShardRange(0, 0)));
    }

    private static void flip(StoredCheckpoint checkpoint) {
        var bytes = checkpoint.bytes(new Slice(0, 0, TENSOR_BYTES));
        bytes.set(ValueLayout.JAVA_BYTE, AT, (byte) (bytes.get(ValueLayout.JAVA_BYTE, AT) ^ 4));
    }

    private void flipInFile() throws IOException {
        try (var open = new RandomAccessFile(file.toFile(), "rw")) {
            long at = open.length() - TENSOR_BYTES + AT;
            open.seek(at);
            int was = open.read();
            open.seek(at);
            open.write(was ^ 4);
        }
    }

    private static List<Part> parts(StoredCheckpoint checkpoint) {
        return checkpoint.parts(0).parts();
    }

    private boolean isWhole(StoredCheckpoint checkpoint) {
        return checkpoint.bytes(new Slice(0, 0, TENSOR_BYTES)).mismatch(MemorySegment.ofArray(published)) == -1;
    }

    @Test
    void whatIsDamagedIsTakenFromAnotherHost() throws Exception {
        flip(onA);
        Files.delete(file);

        var mended = a.store.mend(onA, parts(onA));

        assertThat(mended).containsExactly(new Damage(Place.STORE, "a", "v1.safetensors", "weight", 1 << 20, "host b"));
        assertThat(isWhole(onA)).isTrue();
        assertThat(a.store.mend(onA, parts(onA))).isEmpty();
        assertThat(a.store.damage().found(Place.STORE)).isOne();
        assertThat(a.store.damage().mended(Place.STORE)).isOne();
    }

    @Test
    void aHostThatIsDamagedAlikeMendsItselfFromTheFilesFirst() throws Exception {
        flip(onA);
        flip(onB);

        assertThat(a.store.mend(onA, parts(onA)).getFirst().mendedFrom()).isEqualTo("host b");
        assertThat(isWhole(onA)).isTrue();
        assertThat(isWhole(onB)).isTrue();
        assertThat(b.store.damage().mended(Place.STORE)).isOne();
    }

    @Test
    void whatNobodyHasAnyMoreIsRefusedAndNoLongerHeld() throws Exception {
        flip(onA);
        flip(onB);
        flipInFile();
        long start = System.nanoTime();

        assertThatThrownBy(() -> a.store.mend(onA, parts(onA)))
                .isInstanceOf(StoreException.class)
                .hasMessageStartingWith("a: v1.safetensors: tensor \"weight\": block at byte 1048576 is not what was"
                        + " published as m v1; it can not be mended, so shard 0 is not served any more: host b: ")
                .hasMessageContaining("; files in " + file + ": ");

        // Each asks the other, which must not become a wait of one for the other.
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(TestHost.PATIENCE);
        assertThat(a.store.held()).isEmpty();
        assertThat(b.store.held()).isEmpty();
        assertThat(a.store.damage().found(Place.FILE)).isOne();
    }

    @Test
    void whatWasGivenUpCanBeRestoredOnceItsFilesAreRight() throws Exception {
        flip(onA);
        flipInFile();
        onA.alsoHeldBy(List.of());
        assertThatThrownBy(() -> a.store.mend(onA, parts(onA))).isInstanceOf(StoreException.class);
        var restore = new HostStoreCommand.Restore(
                "r",
                onA.ref(),
                List.of(new ShardRange(0, 0)),
                KIT.<HostStoreEvent>createTestProbe().getRef());

        assertThatThrownBy(() -> a.store.restore(restore, bytes -> {}))
                .hasMessage(file + ": a: v1.safetensors: tensor \"weight\": block at byte 1048576 is not what was"
                        + " published as m v1");
        flipInFile();
        a.store.restore(restore, bytes -> {});

        assertThat(isWhole(onA)).isTrue();
        assertThat(a.store.held()).hasSize(1);
    }

    @Test
    void aPeerIsGivenMendedParts() throws Exception {
        flip(onA);

        assertThat(read(a)).isEqualTo(published);
        assertThat(isWhole(onA)).isTrue();
    }

    /** All parts of the shard, as a joining host reads them. */
    private byte[] read(TestHost from) throws PeerException {
        var all = new byte[TENSOR_BYTES];
        try (var arena = Arena.ofConfined();
                var reader = PartReader.connect(from.server.endpoint(), "", TestHost.PATIENCE, TestHost.PATIENCE)) {
            for (var part : parts(onA)) {
                reader.request(new PartKey(onA.key(), 0, part.offset(), part.bytes()));
                var bytes = arena.allocate(part.bytes());
                reader.read(bytes, more -> {});
                MemorySegment.copy(bytes, ValueLayout.JAVA_BYTE, 0, all, (int) part.offset(), (int) part.bytes());
            }
        }
        return all;
    }

    /** What the receiver says; the owner may say before that the receiver's connection broke. */
    private static WorkerEvent.OwnerLost ownerLost(TestProbe<WorkerEvent> coordinator) {
        var events = coordinator.fishForMessage(
                TestHost.PATIENCE,
                event -> event instanceof WorkerEvent.OwnerLost
                        ? FishingOutcomes.complete()
                        : FishingOutcomes.continueAndIgnore());
        return (WorkerEvent.OwnerLost) events.getLast();
    }

    @Test
    void aChunkThatIsDamagedOnTheWireIsNamedAndItsBucketComesFromAStore() throws Exception {
        try (var wire = new FlippingWire(a.server.endpoint())) {
            updateWithDamage(
                    wire.endpoint(), Exchange.TRANSFERS, Place.WIRE, "on the way from a/0.*the CRC32C does not match");
        }
    }

    @Test
    void aBucketThatIsCastAndComesDamagedIsNamedAndComesFromAStore() throws Exception {
        var flipping = FlippingReceiver.settings("inflight-test-b-", FlippingReceiver.ALL);
        flipping.forEach(System::setProperty);
        try {
            updateWithDamage(a.server.endpoint(), Exchange.AERON, Place.SLOT, "it came so from a/0");
        } finally {
            flipping.keySet().forEach(System::clearProperty);
        }
        assertThat(b.aeron.receivedBytes()).isPositive();
    }

    /**
     * An update of both engines from a's store, in which b gets damage from a.
     *
     * @param endpoint where b reaches a
     * @param reason what b says, a pattern
     */
    private void updateWithDamage(String endpoint, Exchange exchange, Place place, String reason) throws Exception {
        TestProbe<WorkerEvent> coordinator = KIT.createTestProbe();
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var holder = new Membership.Host("a", endpoint, List.of(new ShardRange(0, 0)));
            var membership = new Membership(
                    List.of(holder, new Membership.Host("b", b.server.endpoint(), List.of())),
                    List.of(new Membership.Worker("a/0", 0, true), new Membership.Worker("b/0", 1, true)));
            var order = new WorkerCommand.Prepare(
                    1,
                    "u",
                    onA.ref(),
                    LoadMode.IN_PLACE,
                    Strategy.BROADCAST,
                    membership,
                    new Slots(3, 2 << 20, "test"),
                    exchange,
                    TestHost.PATIENCE.toMillis(),
                    true,
                    VerifyPoint.ARRIVAL,
                    List.of(),
                    coordinator.getRef());
            var owner = new UpdateSession(a.context, order, a.engine, bytes -> {});
            var receiver = new UpdateSession(b.context, order, b.engine, bytes -> {});
            var prepared = threads.submit(owner::prepare);
            receiver.prepare();
            prepared.get();
            owner.begin();
            receiver.begin();
            var sent = threads.submit(owner::stream);
            var received = threads.submit(receiver::stream);

            var lost = ownerLost(coordinator);
            assertThat(lost.reason())
                    .startsWith("b: v1.safetensors: tensor \"weight\": block at byte ")
                    .containsPattern(reason);
            owner.drop("b/0");
            receiver.repair(List.of("a/0"), List.of(holder));

            assertThat(received.get().damage()).singleElement().satisfies(damage -> {
                assertThat(damage.place()).isEqualTo(place);
                assertThat(damage.host()).isEqualTo("b");
                assertThat(damage.tensor()).isEqualTo("weight");
                assertThat(damage.mendedFrom()).isEqualTo("stores of a");
            });
            assertThat(sent.get().damage()).isEmpty();
            assertThat(b.store.damage().found(place)).isOne();
            assertThat(b.store.damage().mended(place)).isOne();
            owner.commit();
            receiver.commit();
            owner.close();
            receiver.close();
        }
    }

    @Test
    void whatIsDamagedInASlotOnlyIsCopiedAgainButNotForEver() throws Exception {
        var times = new StageTimes(a.store.damage());
        var mending = new Mending(a.store, onA, times);
        var block = new Slice(0, 0, 1 << 20);
        var bucket = new Bucket(3, 0, 0, List.of(new Placement(block, 0)), 1 << 20);
        var attempts = new AtomicInteger();

        mending.bring(bucket, () -> {
            if (attempts.incrementAndGet() == 1) {
                throw onA.damaged(block);
            }
        });

        assertThat(attempts).hasValue(2);
        assertThat(times.report(0).damage())
                .containsExactly(new Damage(Place.SLOT, "a", "v1.safetensors", "weight", 0, "host a"));
        var failures = new ArrayList<Integer>();
        assertThatThrownBy(() -> mending.bring(bucket, () -> {
                    failures.add(failures.size());
                    throw onA.damaged(block);
                }))
                .isInstanceOf(CorruptBlockException.class);
        assertThat(failures).hasSize(3);
        assertThat(a.store.damage().found(Place.SLOT)).isEqualTo(4);
        assertThat(a.store.damage().mended(Place.SLOT)).isOne();
    }

    @Test
    void aBucketThatALostOwnerSentDamagedIsMendedOnceItIsCheckedAndNotWhenItHasCome() throws Exception {
        var block = new Slice(0, 1 << 20, 2 << 20);
        var bucket = new Bucket(0, 0, 0, List.of(new Placement(block, 0)), 1 << 20);
        flip(onA);

        assertThat(repaired(bucket, block).damage())
                .extracting(Damage::place, Damage::mendedFrom)
                .containsExactly(tuple(Place.STORE, "host b"), tuple(Place.WIRE, "stores of b"));
        assertThat(a.store.damage().mended(Place.WIRE)).isOne();

        flip(onA);
        flip(onB);
        flipInFile();
        assertThatThrownBy(() -> repaired(bucket, block)).isInstanceOf(StoreException.class);
        assertThat(a.store.damage().mended(Place.WIRE))
                .as("the second never was")
                .isOne();
    }

    /** Brings a bucket that came damaged on the wire out of this host's store, as when its owner was lost. */
    private WorkerEvent.StageReport repaired(Bucket bucket, Slice damaged) throws InterruptedException {
        var times = new StageTimes(a.store.damage());
        times.damage.awaits(bucket.index(), Place.WIRE, onA.damaged(damaged));
        var lost = new LostOwners(TestHost.PATIENCE);
        lost.tell(List.of("b/0"), List.of(host(b)));
        try (var closer = new Closer()) {
            var mending = new Mending(a.store, onA, times);
            var stages = new HostStages(a.device, onA, new Slots(1, 1 << 20, "test"), closer, mending, times);
            var board = new LandingBoard(stages.landing(1), TestHost.PATIENCE);
            var bytes = new StoreBytes(onA, a.context.joins(), TestHost.PATIENCE, SourcePace.NONE);
            try (var repairs =
                    new Repairs(lost, bytes, onA, any -> new Repairs.Place("b/0", board, 0), mending, times)) {
                repairs.bring(bucket).release().run();
            }
        }
        return times.report(0);
    }

    @Test
    void aBroadcastThatBringsDamageIsCountedAndNamesTensorAndOwner() {
        var block = new Slice(0, 0, 1 << 20);
        var bucket = new Bucket(0, 0, 1, List.of(new Placement(block, 0)), 1 << 20);
        var owners = List.of(new Owner("a/0", List.of()), new Owner("b/0", List.of(0)));
        var damaged = new DamagedBroadcast(new UpdatePlan(owners, List.of(bucket), 1, 1 << 20), a.store.damage());

        assertThat(damaged.landed(bucket, onA.damaged(block)))
                .hasMessage(
                        "a: v1.safetensors: tensor \"weight\": block at byte 0 is not what was published as m v1; it"
                                + " came so from b/0, by NCCL");
        assertThat(a.store.damage().found(Place.SLOT)).isOne();
        assertThat(a.store.damage().mended(Place.SLOT)).isZero();
    }
}
