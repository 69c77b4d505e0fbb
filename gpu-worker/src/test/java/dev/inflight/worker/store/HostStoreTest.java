package dev.inflight.worker.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.typed.ActorRef;
import com.typesafe.config.ConfigFactory;
import dev.inflight.protocol.checkpoint.LayoutDigest;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.plan.ShardRange;
import dev.inflight.worker.device.Pinning;
import dev.inflight.worker.device.ShmNames;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HostStoreTest {
    private static final Duration SOON = Duration.ofSeconds(5);
    private static final ActorTestKit KIT = ActorTestKit.create(
            ConfigFactory.parseString("akka.actor.provider = local, akka.fail-mixed-versions = off"));
    private static final ActorRef<HostStoreEvent> NOBODY =
            KIT.<HostStoreEvent>createTestProbe().getRef();

    @TempDir
    Path directory;

    private Path shm;
    private HostStore store;

    @BeforeEach
    void open() throws IOException {
        shm = Files.createTempDirectory(Path.of("/dev/shm"), "inflight-store-test");
        store = new HostStore("h", new ShmNames(shm, "h"), Pinning.NONE, 2, SOON, SOON);
    }

    @AfterEach
    void close() throws IOException {
        store.close();
        assertThat(arenas()).isEmpty();
        try (var files = Files.list(shm)) {
            for (var file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(shm);
    }

    @AfterAll
    static void stopActors() {
        KIT.shutdownTestKit();
    }

    @Test
    void holdsExactlyTheBytesOfTheFile() throws Exception {
        var file = TestCheckpoints.file(directory.resolve("a.safetensors"), "t", 10, 3_000_000, 0, 7);
        var stored = store.load(load("v1", file), bytes -> {});
        try (var files = CheckpointFiles.open(file)) {
            for (var shard : stored.sharding().shards()) {
                for (var slice : shard.slices()) {
                    var tensor = stored.layout().tensors().get(slice.tensor());
                    var expected = files.map(0).asSlice(tensor.begin() + slice.begin(), slice.bytes());
                    assertThat(MemorySegment.mismatch(
                                    expected, 0, slice.bytes(), stored.bytes(slice), 0, slice.bytes()))
                            .isEqualTo(-1);
                }
            }
        }
        assertThat(store.held()).singleElement().satisfies(held -> {
            assertThat(held.checkpoint().version()).isEqualTo("v1");
            assertThat(held.shards()).containsExactly(new ShardRange(0, 0));
        });
    }

    @Test
    void aReleasedArenaServesTheNextVersion() throws Exception {
        var first = TestCheckpoints.file(directory.resolve("a.safetensors"), "a", 2_000_000);
        var second = TestCheckpoints.file(directory.resolve("b.safetensors"), "b", 1_500_000);
        store.release(store.load(load("v1", first), bytes -> {}).ref().digest());
        var before = arenas();
        long touched = store.touchMicros();
        assertThat(touched).isPositive();
        store.load(load("v2", second), bytes -> {});
        assertThat(arenas()).hasSize(1).isEqualTo(before);
        assertThat(store.touchMicros()).isEqualTo(touched);
    }

    @Test
    void whatIsUnloadedCostsNothingAndComesBackFromTheFiles() throws Exception {
        var file = TestCheckpoints.file(directory.resolve("a.safetensors"), "t", 2_000_000);
        var ref = store.load(load("v1", file), bytes -> {}).ref();
        assertThat(store.held())
                .singleElement()
                .satisfies(held -> assertThat(held.memoryBytes()).isGreaterThanOrEqualTo(2_000_000));
        assertThat(store.unload(ref.digest())).isTrue();
        assertThat(store.held()).isEmpty();
        assertThat(store.unload(ref.digest())).isFalse();
        assertThat(store.restore(restore(file, ref), bytes -> {}).heldShards()).containsExactly(0);
    }

    @Test
    void whatIsInUseIsNotUnloaded() throws Exception {
        var file = TestCheckpoints.file(directory.resolve("a.safetensors"), "t", 2_000_000);
        var stored = store.load(load("v1", file), bytes -> {});
        assertThat(stored.use()).isTrue();
        assertThat(store.unload(stored.ref().digest())).isFalse();
        stored.endUse();
        assertThat(store.unload(stored.ref().digest())).isTrue();
        assertThat(stored.use()).isFalse();
    }

    @Test
    void aVersionThatCanBeSparedGivesItsMemoryToOneThatIsPublished() throws Exception {
        var room = new AtomicInteger(2);
        Pinning scarce = memory -> {
            if (room.getAndDecrement() <= 0) {
                throw new UncheckedIOException(new IOException("no memory"));
            }
            return room::incrementAndGet;
        };
        try (var small = new HostStore("h", new ShmNames(shm, "h"), scarce, 1, SOON, SOON)) {
            var spare = List.of(publish(small, "v1").digest());
            publish(small, "v2");
            var order = load("v3", TestCheckpoints.file(directory.resolve("v3"), "v3", 2_000_000));
            room.set(0);
            assertThatThrownBy(() -> small.load(order, bytes -> {})).hasMessageContaining("no memory");
            room.set(0);
            small.load(withSpare(order, spare), bytes -> {});
            assertThat(small.held())
                    .extracting(held -> held.checkpoint().version())
                    .containsExactly("v2", "v3");
        }
    }

    private CheckpointRef publish(HostStore into, String version) throws Exception {
        var file = TestCheckpoints.file(directory.resolve(version), version, 2_000_000);
        return into.load(load(version, file), bytes -> {}).ref();
    }

    private static HostStoreCommand.Load withSpare(HostStoreCommand.Load order, List<String> spare) {
        return new HostStoreCommand.Load(
                "again",
                order.model(),
                order.version(),
                order.source(),
                order.layoutDigest(),
                order.shardCount(),
                order.maxPartBytes(),
                order.holders(),
                spare,
                order.replyTo());
    }

    @Test
    void filesInSharedMemoryAreTakenWhereTheyLie() throws Exception {
        var file = TestCheckpoints.file(shm.resolve("a.safetensors"), "t", 2_000_000);
        var stored = store.load(load("v1", file), bytes -> {});
        assertThat(arenas()).isEmpty();
        assertThat(stored.heldShards()).containsExactly(0);
    }

    @Test
    void theSameBytesUnderASecondVersionTakeNoSecondCopy() throws Exception {
        var file = TestCheckpoints.file(directory.resolve("a.safetensors"), "t", 2_000_000);
        store.load(load("v1", file), bytes -> {});
        store.load(load("v3", file), bytes -> {});
        assertThat(store.held()).extracting(held -> held.checkpoint().version()).containsExactly("v1", "v3");
    }

    @Test
    void aLostShardComesBackFromTheFiles() throws Exception {
        var file = TestCheckpoints.file(directory.resolve("a.safetensors"), "t", 2_000_000, 2_000_000);
        var ref = store.load(load("v1", file), bytes -> {}).ref();
        try (var other = new HostStore("other", new ShmNames(shm, "other"), Pinning.NONE, 1, SOON, SOON)) {
            var restored = other.restore(restore(file, ref), bytes -> {});
            assertThat(restored.manifest().digest()).isEqualTo(ref.digest());
            assertThat(restored.heldShards()).containsExactly(0);
        }
    }

    @Test
    void filesThatChangedSincePublishingAreNotTakenForTheOldVersion() throws Exception {
        var file = TestCheckpoints.file(directory.resolve("a.safetensors"), "t", 2_000_000);
        var ref = store.load(load("v1", file), bytes -> {}).ref();
        var changed = Files.readAllBytes(file);
        changed[changed.length - 1] ^= 1;
        Files.write(file, changed);
        try (var other = new HostStore("other", new ShmNames(shm, "other"), Pinning.NONE, 1, SOON, SOON)) {
            assertThatThrownBy(() -> other.restore(restore(file, ref), bytes -> {}))
                    .isInstanceOf(StoreException.class)
                    .hasMessageContaining(file.toString())
                    .hasMessageContaining(ref.digest());
            assertThat(other.held()).isEmpty();
        }
    }

    @Test
    void aFileThatChangedAfterInspectionIsRefused() throws Exception {
        var file = TestCheckpoints.file(directory.resolve("a.safetensors"), "t", 1000);
        var order = load("v1", file);
        TestCheckpoints.file(file, "other", 1000);
        assertThatThrownBy(() -> store.load(order, bytes -> {})).hasMessageContaining("changed");
        assertThat(store.held()).isEmpty();
    }

    @Test
    void aPeerThatAsksForAFailedPublicationHearsWhy() throws Exception {
        var file = TestCheckpoints.file(directory.resolve("a.safetensors"), "t", 1000);
        var order = load("v1", file);
        Files.delete(file);
        assertThatThrownBy(() -> store.load(order, bytes -> {})).isInstanceOf(CheckpointNotFoundException.class);
        assertThatThrownBy(() -> store.forPeers().blockSums(order.publishId(), 0))
                .hasMessageContaining("a.safetensors");
    }

    private static HostStoreCommand.Load load(String version, Path source) {
        try (var files = CheckpointFiles.open(source)) {
            return new HostStoreCommand.Load(
                    "publish-" + version,
                    "m",
                    version,
                    source.toString(),
                    LayoutDigest.of(files.layout()),
                    1,
                    1 << 20,
                    List.of(new HostStoreCommand.Holder("h", "127.0.0.1:1", List.of(new ShardRange(0, 0)))),
                    NOBODY);
        }
    }

    private static HostStoreCommand.Restore restore(Path source, CheckpointRef checkpoint) {
        assertThat(checkpoint.source()).isEqualTo(source.toString());
        return new HostStoreCommand.Restore("restore", checkpoint, List.of(new ShardRange(0, 0)), NOBODY);
    }

    private List<Path> arenas() throws IOException {
        try (var files = Files.list(shm)) {
            return files.filter(file -> file.getFileName().toString().startsWith("inflight-h-"))
                    .toList();
        }
    }
}
