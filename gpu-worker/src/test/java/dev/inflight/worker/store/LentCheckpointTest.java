package dev.inflight.worker.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import com.typesafe.config.ConfigFactory;
import dev.inflight.protocol.checkpoint.LayoutDigest;
import dev.inflight.protocol.cluster.HostStoreCommand.Holder;
import dev.inflight.protocol.cluster.HostStoreCommand.Load;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.cluster.LeaseId;
import dev.inflight.protocol.cluster.LeaseReply;
import dev.inflight.protocol.cluster.LeaseReply.Lease;
import dev.inflight.protocol.plan.ShardRange;
import dev.inflight.protocol.plan.Slice;
import dev.inflight.worker.device.Pinning;
import dev.inflight.worker.device.ShmNames;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A checkpoint that is published out of a lent arena. */
class LentCheckpointTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final ActorTestKit KIT = ActorTestKit.create(
            ConfigFactory.parseString("akka.actor.provider = local, akka.fail-mixed-versions = off"));

    @TempDir
    Path directory;

    private Path shm;
    private HostStore store;

    @BeforeEach
    void open() throws IOException {
        shm = Files.createTempDirectory(Path.of("/dev/shm"), "inflight-lent-test");
        var leases = new LeaseSettings(Duration.ofMinutes(10), 64 << 20);
        store = new HostStore(
                "h", new ShmNames(shm, "h"), Pinning.NONE, CheckpointRoots.ANYWHERE, 2, PATIENCE, PATIENCE, leases);
    }

    @AfterEach
    void close() throws IOException {
        store.close();
        assertThat(shm).isEmptyDirectory();
        Files.delete(shm);
    }

    @AfterAll
    static void stopActors() {
        KIT.shutdownTestKit();
    }

    @Test
    void hasTheDigestOfAFileWithTheSameTensors() throws Exception {
        var file = TestCheckpoints.file(directory.resolve("model.safetensors"), "t", 10, 3_000_000);
        var lease = written(file);
        var fromArena = store.load(load("v1", LeaseId.parse(lease.lease()).source()), bytes -> {});
        assertThat(fromArena.heldShards()).containsExactly(0, 1);
        var fromFile = store.load(load("v2", file.toString()), bytes -> {});
        assertThat(fromFile.ref().digest()).isEqualTo(fromArena.ref().digest());
    }

    @Test
    void staysUntilItsVersionIsReleasedAndItsArenaIsLentAgain() throws Exception {
        var lease = written(TestCheckpoints.file(directory.resolve("a"), "t", 1_000_000));
        var stored = store.load(load("v1", LeaseId.parse(lease.lease()).source()), bytes -> {});
        assertThat(store.lentArenas().view(lease.lease())).isNotInstanceOf(Lease.class);
        assertThat(stored.bytes(new Slice(0, 0, 1_000_000)).byteSize()).isEqualTo(1_000_000);
        store.release(stored.ref().digest());
        assertThat(ready(lease.bytes()).path()).isEqualTo(lease.path());
    }

    @Test
    void aWriteAfterThePublishIsFoundByTheBlockCheck() throws Exception {
        var lease = written(TestCheckpoints.file(directory.resolve("a"), "t", 1_000_000));
        try (var late = FileChannel.open(Path.of(lease.path()), StandardOpenOption.WRITE)) {
            var stored = store.load(load("v1", LeaseId.parse(lease.lease()).source()), bytes -> {});
            var whole = new Slice(0, 0, 1_000_000);
            stored.blocks(whole).checkAll(stored.bytes(whole), 0);
            late.write(ByteBuffer.wrap(new byte[100]), lease.bytes() - 100);
            assertThatExceptionOfType(CorruptBlockException.class)
                    .isThrownBy(() -> stored.blocks(whole).checkAll(stored.bytes(whole), 0))
                    .withMessageContaining("\"t0\"");
        }
    }

    @Test
    void isPublishedOnce() throws Exception {
        var lease = written(TestCheckpoints.file(directory.resolve("a"), "t", 1000));
        var order = load("v1", LeaseId.parse(lease.lease()).source());
        store.load(order, bytes -> {});
        assertThatExceptionOfType(CheckpointNotFoundException.class)
                .isThrownBy(() -> store.load(order, bytes -> {}))
                .withMessageContaining("it was published, given back or has expired");
    }

    @Test
    void aVersionThatIsPublishedAgainIsHeldOnceAndTheSecondArenaIsFree() throws Exception {
        var file = TestCheckpoints.file(directory.resolve("a"), "t", 1000);
        store.load(load("v1", LeaseId.parse(written(file).lease()).source()), bytes -> {});
        var held = store.held();
        var second = written(file);
        store.load(load("v1", LeaseId.parse(second.lease()).source()), bytes -> {});
        assertThat(store.held()).isEqualTo(held).hasSize(1);
        assertThat(ready(second.bytes()).path()).isEqualTo(second.path());
    }

    @Test
    void aPublishThatFailsGivesTheArenaBack() throws Exception {
        var lease = written(TestCheckpoints.file(directory.resolve("a"), "t", 1000));
        var order = load("v1", LeaseId.parse(lease.lease()).source());
        var other =
                new Load("p", "m", "v1", order.source(), "other layout", 2, 1 << 20, order.holders(), order.replyTo());
        assertThatExceptionOfType(StoreException.class).isThrownBy(() -> store.load(other, bytes -> {}));
        assertThat(store.held()).isEmpty();
        assertThat(ready(lease.bytes()).path()).isEqualTo(lease.path());
    }

    private Load load(String version, String source) {
        try (var files = store.open(source)) {
            return new Load(
                    "publish-" + version,
                    "m",
                    version,
                    source,
                    LayoutDigest.of(files.layout()),
                    2,
                    1 << 20,
                    List.of(new Holder("h", "127.0.0.1:1", List.of(new ShardRange(0, 1)))),
                    KIT.<HostStoreEvent>createTestProbe().getRef());
        }
    }

    private Lease written(Path file) throws Exception {
        var bytes = Files.readAllBytes(file);
        var lease = ready(bytes.length);
        try (var arena = FileChannel.open(Path.of(lease.path()), StandardOpenOption.WRITE)) {
            arena.write(ByteBuffer.wrap(bytes));
        }
        return lease;
    }

    private Lease ready(long bytes) {
        LeaseReply reply = store.lentArenas().lend(bytes);
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (reply instanceof Lease lease && lease.state() == Lease.State.PREPARING) {
            assertThat(System.nanoTime()).as("the arena is ready in time").isLessThan(deadline);
            Thread.onSpinWait();
            reply = store.lentArenas().view(lease.lease());
        }
        return (Lease) reply;
    }
}
