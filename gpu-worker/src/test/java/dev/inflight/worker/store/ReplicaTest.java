package dev.inflight.worker.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.typed.ActorRef;
import com.typesafe.config.ConfigFactory;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.Placement;
import dev.inflight.protocol.plan.ShardRange;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class ReplicaTest {
    private static final Duration SOON = Duration.ofMillis(100);
    private static final Duration LATE = Duration.ofSeconds(20);
    private static final int SHARDS = 2;
    private static final ActorTestKit KIT = ActorTestKit.create(
            ConfigFactory.parseString("akka.actor.provider = local, akka.fail-mixed-versions = off"));
    private static final ActorRef<HostStoreEvent> NOBODY =
            KIT.<HostStoreEvent>createTestProbe().getRef();

    @TempDir
    Path directory;

    private TwoStores stores;
    private HostStore source;
    private HostStore store;
    private StoredCheckpoint original;
    private StoredCheckpoint joined;
    private final AtomicInteger changes = new AtomicInteger();

    @BeforeEach
    void open() throws Exception {
        stores = new TwoStores(directory, SHARDS, new int[] {9_000_000, 3_000_000, 0, 9_000_001, 700_000, 5}, NOBODY);
        source = stores.source;
        store = stores.joiner;
        original = stores.original;
        store.onChange(changes::incrementAndGet);
        joined = stores.known();
    }

    @AfterEach
    void close() throws IOException {
        stores.close();
    }

    @AfterAll
    static void stopActors() {
        KIT.shutdownTestKit();
    }

    @Test
    void aShardIsHeldOnceItsLastPartHasComeAndWasChecked() {
        var replica = store.replicate(joined);
        assertThat(replica.coming()).containsExactly(0, 1);
        for (var part : stores.parts(0)) {
            assertThat(joined.holds(0)).isFalse();
            assertThat(replica.isHere(part)).isFalse();
            stores.bring(replica, part);
            assertThat(replica.isHere(part)).isTrue();
        }
        assertThat(joined.holds(0)).isTrue();
        assertThat(replica.coming()).containsExactly(1);
        assertThat(changes).hasValue(2);
        replica.leave();
        assertThat(joined.heldShards()).containsExactly(0);
        assertThat(joined.replica()).isNull();
    }

    @Test
    void memoryOfShardsThatDidNotComeIsGivenBackAtOnce() throws IOException {
        long before = stores.files();
        var replica = store.replicate(joined);
        stores.bring(replica, stores.parts(0).getFirst());
        assertThat(stores.files()).isGreaterThan(before);
        replica.leave();
        assertThat(stores.files()).isEqualTo(before);
    }

    @Test
    void aPartThatIsNotWhatWasPublishedHasNotCome() {
        var replica = store.replicate(joined);
        var part = stores.parts(1).getFirst();
        assertThatThrownBy(() -> replica.landed(part)).isInstanceOf(CorruptBlockException.class);
        assertThat(replica.isHere(part)).isFalse();
        replica.leave();
    }

    @Test
    void whoWaitsForABucketGoesOnWaitingAsLongAsSomeBytesCome() throws Exception {
        var replica = store.replicate(joined);
        var bucket = bucket(0);
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var waiting = threads.submit(() -> {
                replica.await(bucket, LATE);
                return replica.isHere(bucket);
            });
            for (var part : stores.parts(0)) {
                stores.bring(replica, part);
            }
            assertThat(waiting.get()).isTrue();
        }
        assertThatThrownBy(() -> replica.await(bucket(1), SOON))
                .isInstanceOf(StoreException.class)
                .hasMessageContaining("nothing of m v1 came to host joiner for 100 ms while bucket 1");
        replica.leave();
    }

    @Test
    void thatASourceHasOneWaitIsNoStallForAnyWhoWaitsForParts() throws Exception {
        var replica = store.replicate(joined);
        var bucket = bucket(0);
        var told = new Semaphore(0);
        var stopTelling = replica.onHeldUp(told::release);
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var waiting = threads.submit(() -> {
                replica.await(bucket, SOON);
                return replica.isHere(bucket);
            });
            for (long end = System.nanoTime() + 4 * SOON.toNanos(); System.nanoTime() < end; Thread.sleep(5)) {
                replica.heldUp();
            }
            assertThat(waiting.isDone()).as("its patience was over three times").isFalse();
            for (var part : stores.parts(0)) {
                stores.bring(replica, part);
            }
            assertThat(waiting.get()).isTrue();
        }
        assertThat(told.drainPermits()).isPositive();
        stopTelling.run();
        replica.heldUp();
        assertThat(told.availablePermits()).isZero();
        replica.leave();
    }

    @Test
    void partsThatHaveComeAreServedAndOthersAreWaitedFor() throws Exception {
        var replica = store.replicate(joined);
        var part = stores.parts(1).getFirst();
        var key = stores.key(part);
        assertThatThrownBy(() -> store.forPeers().part(key, true, SOON)).isInstanceOf(StoreException.class);
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var serving = threads.submit(() -> store.forPeers().part(key, true, LATE));
            stores.bring(replica, part);
            try (var served = serving.get()) {
                joined.check(part, served.bytes());
                assertThat(served.file()).isNotNull();
            }
        }
        replica.leave();
        assertThatThrownBy(() -> store.forPeers().part(key, true, SOON)).hasMessageContaining("does not hold shard 1");
    }

    @Test
    void memoryOfAPartThatIsBeingServedOutlivesItsReplica() throws Exception {
        var replica = store.replicate(joined);
        var part = stores.parts(1).getFirst();
        stores.bring(replica, part);
        try (var served = store.forPeers().part(stores.key(part), false, SOON)) {
            replica.leave();
            var next = store.replicate(joined);
            next.target(part).fill((byte) 0);
            joined.check(part, served.bytes());
            next.leave();
        }
    }

    @Test
    void memoryOfAPartThatIsBeingServedOutlivesItsRelease() throws Exception {
        var part = stores.parts(0).getFirst();
        var served = source.forPeers().part(stores.key(part), false, SOON);
        source.release(original.ref().digest());
        original.check(part, served.bytes());
        assertThatThrownBy(() -> source.forPeers().part(stores.key(part), false, SOON))
                .isInstanceOf(StoreException.class);
        served.close();
    }

    @Test
    void usersShareAReplicaAndTheLastOneDropsWhatIsIncomplete() throws Exception {
        var first = store.replicate(joined);
        var second = store.replicate(joined);
        assertThat(second).isSameAs(first);
        first.lead();
        stores.bring(first, stores.parts(0).getFirst());
        first.endLead();
        first.leave();
        second.lead();
        assertThat(second.isHere(stores.parts(0).getFirst())).isTrue();
        second.endLead();
        second.leave();
        assertThat(joined.replica()).isNull();
        var third = store.replicate(joined);
        assertThat(third).isNotSameAs(first);
        assertThat(third.isHere(stores.parts(0).getFirst())).isFalse();
        third.leave();
    }

    @Test
    void releasingTheCheckpointEndsItsReplica() {
        var replica = store.replicate(joined);
        var part = stores.parts(0).getFirst();
        replica.target(part).copyFrom(stores.bytesOf(part));
        store.release(joined.ref().digest());
        assertThatThrownBy(() -> replica.landed(part)).hasMessageContaining("was released on host joiner");
        replica.leave();
    }

    @Test
    void itIsToldAsComing() {
        var replica = store.replicate(joined);
        assertThat(store.coming()).singleElement().satisfies(coming -> {
            assertThat(coming.checkpoint()).isEqualTo(original.ref());
            assertThat(coming.shards()).containsExactly(new ShardRange(0, 1));
        });
        stores.parts(0).forEach(part -> stores.bring(replica, part));
        assertThat(store.coming())
                .singleElement()
                .satisfies(coming -> assertThat(coming.shards()).containsExactly(new ShardRange(1, 1)));
        replica.leave();
        assertThat(store.coming()).isEmpty();
    }

    @Test
    void whatAUserHadAllOfIsKeptAndTheRestComesToItLater() throws Exception {
        var some = new Need(Set.of(0), stores.parts(0).subList(1, 3));
        var replica = store.replicate(joined, some);
        assertThat(replica.coming()).containsExactly(0);
        some.parts().forEach(part -> stores.bring(replica, part));
        replica.satisfied(some);
        replica.leave();
        assertThat(joined.heldShards()).isEmpty();
        assertThat(store.coming()).isEmpty();
        assertThat(store.held())
                .singleElement()
                .satisfies(held -> assertThat(held.shards()).isEmpty());
        try (var served = store.forPeers().part(stores.key(some.parts().getFirst()), true, SOON)) {
            joined.check(some.parts().getFirst(), served.bytes());
        }
        assertThat(store.forPeers().part(stores.key(stores.parts(0).getFirst()), true, SOON))
                .isNull();

        var rest = store.replicate(joined);
        assertThat(joined.isOf(bucket(0), rest.coming())).isTrue();
        assertThat(joined.isOf(bucket(1), rest.coming())).isTrue();
        var missing = rest.missing(stores.parts(0));
        assertThat(missing).doesNotContainAnyElementsOf(some.parts());
        assertThat(missing.stream().mapToLong(Part::bytes).sum()
                        + some.parts().stream().mapToLong(Part::bytes).sum())
                .isEqualTo(stores.parts(0).stream().mapToLong(Part::bytes).sum());
        missing.forEach(part -> stores.bring(rest, part));
        rest.leave();
        assertThat(joined.heldShards()).containsExactly(0);
    }

    @Test
    void whatWasDamagedSinceItWasKeptComesAgain() {
        var need = new Need(Set.of(0), stores.parts(0).subList(0, 2));
        var replica = store.replicate(joined, need);
        need.parts().forEach(part -> stores.bring(replica, part));
        replica.satisfied(need);
        replica.leave();
        var first = stores.parts(0).getFirst();
        try (var served = joined.lease(first, false)) {
            var byteAt = Objects.requireNonNull(served).bytes();
            byteAt.set(ValueLayout.JAVA_BYTE, 1 << 20, (byte) ~byteAt.get(ValueLayout.JAVA_BYTE, 1 << 20));
        }
        var again = store.replicate(joined, need);
        assertThat(again.missing(need.parts())).singleElement().satisfies(missing -> {
            assertThat(missing.offset()).isEqualTo(first.offset() + (1 << 20));
            stores.bring(again, missing);
        });
        assertThat(again.missing(need.parts())).isEmpty();
        again.leave();
    }

    @Test
    void onlyBlocksThatAreNotHereComeOfAPart() {
        var part = stores.parts(0).getFirst();
        var first = part.placements().getFirst();
        var block = joined.parts(0)
                .run(part.offset(), Math.min(1 << 20, first.slice().bytes()));
        var replica = store.replicate(joined, new Need(Set.of(0), List.of(block)));
        stores.bring(replica, block);
        assertThat(replica.isHere(part)).isFalse();
        assertThat(replica.missing(List.of(part))).singleElement().satisfies(missing -> {
            assertThat(missing.offset()).isGreaterThanOrEqualTo(block.offset() + block.bytes());
            assertThat(missing.offset() + missing.bytes()).isEqualTo(part.offset() + part.bytes());
        });
        assertThatThrownBy(() -> replica.target(block)).isInstanceOf(IllegalStateException.class);
        replica.leave();
    }

    @Test
    void aPartThatNobodyNeedsIsRefusedAtOnceWhileOthersAreWaitedFor() throws Exception {
        var need = new Need(Set.of(1), stores.parts(1).subList(0, 1));
        var replica = store.replicate(joined, need);
        assertThat(store.forPeers().part(stores.key(stores.parts(1).get(1)), true, LATE))
                .isNull();
        assertThat(store.forPeers().part(stores.key(stores.parts(0).getFirst()), true, LATE))
                .isNull();
        assertThatThrownBy(
                        () -> store.forPeers().part(stores.key(stores.parts(1).getFirst()), true, SOON))
                .isInstanceOf(StoreException.class);
        replica.enter(new Need(Set.of(1), stores.parts(1).subList(1, 2)));
        assertThatThrownBy(
                        () -> store.forPeers().part(stores.key(stores.parts(1).get(1)), true, SOON))
                .isInstanceOf(StoreException.class);
        replica.leave();
        replica.leave();
    }

    @Test
    void whatIsKeptOfAShardIsFreedWhenAllOfItIsLoadedAgain() throws Exception {
        var need = new Need(Set.of(0), stores.parts(0).subList(0, 1));
        var replica = store.replicate(joined, need);
        stores.bring(replica, stores.parts(0).getFirst());
        replica.satisfied(need);
        replica.leave();
        long kept = stores.files();
        var served = Objects.requireNonNull(
                store.forPeers().part(stores.key(stores.parts(0).getFirst()), false, SOON));
        store.restore(
                new HostStoreCommand.Restore("restore", original.ref(), List.of(new ShardRange(0, 0)), NOBODY),
                bytes -> {});
        assertThat(joined.heldShards()).containsExactly(0);
        assertThat(stores.files()).as("what is still read stays").isEqualTo(kept + 1);
        served.close();
        assertThat(stores.files()).isEqualTo(kept);
    }

    @Test
    void whatIsKeptIsDroppedWithItsCheckpoint() throws IOException {
        long before = stores.files();
        store.replicate(joined, new Need(Set.of(), List.of())).leave();
        var need = new Need(Set.of(0), stores.parts(0).subList(0, 1));
        for (boolean unload : List.of(true, false)) {
            var checkpoint = store.adopt(original.ref(), List.of());
            var replica = store.replicate(checkpoint, need);
            stores.bring(replica, stores.parts(0).getFirst());
            replica.satisfied(need);
            replica.leave();
            assertThat(stores.files()).isGreaterThan(before);
            assertThat(store.heldBytes()).isPositive();
            if (unload) {
                assertThat(store.unload(original.ref().digest())).isTrue();
            } else {
                store.release(original.ref().digest());
            }
            assertThat(stores.files()).isEqualTo(before);
            assertThat(store.held()).isEmpty();
        }
    }

    /** All of a shard. */
    private Bucket bucket(int shard) {
        var placements = original.sharding().shards().get(shard).slices().stream()
                .map(slice -> new Placement(slice, 0))
                .toList();
        return new Bucket(shard, 0, 0, placements, 1);
    }
}
