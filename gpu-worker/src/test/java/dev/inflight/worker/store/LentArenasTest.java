package dev.inflight.worker.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.inflight.protocol.checkpoint.CheckpointException;
import dev.inflight.protocol.cluster.LeaseId;
import dev.inflight.protocol.cluster.LeaseReply.Lease;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.worker.device.Pinning;
import dev.inflight.worker.device.ShmNames;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LentArenasTest {
    private static final Duration TIMEOUT = Duration.ofMinutes(10);
    private static final long MOST = 10_000_000;

    @TempDir
    Path directory;

    private final Queue<Runnable> work = new ArrayDeque<>();
    private long nanos;
    private Path shm;
    private LentArenas arenas;

    @BeforeEach
    void open() throws IOException {
        shm = Files.createTempDirectory(Path.of("/dev/shm"), "inflight-lent-test");
        arenas = new LentArenas(
                "h",
                new ArenaPool(new ShmNames(shm, "h"), Pinning.NONE),
                new LeaseSettings(TIMEOUT, MOST),
                work::add,
                () -> nanos);
    }

    @AfterEach
    void close() throws IOException {
        arenas.close();
        assertThat(files()).isEmpty();
        Files.delete(shm);
    }

    @Test
    void aLeaseIsReadyOnceItsMemoryIsThere() {
        var lease = lend(1000);
        assertThat(lease.state()).isEqualTo(Lease.State.PREPARING);
        assertThat(lease.path()).isNull();
        work.remove().run();
        var ready = view(lease);
        assertThat(ready.state()).isEqualTo(Lease.State.READY);
        assertThat(Path.of(ready.path())).hasSize(1000).hasParent(shm);
        assertThat(ready.expiresInMillis()).isEqualTo(TIMEOUT.toMillis());
    }

    @Test
    void whatTheTrainerWroteIsACheckpoint() throws Exception {
        var file = TestCheckpoints.file(directory.resolve("a"), "t", 10, 3_000_000);
        var lease = written(file);
        try (var lent = arenas.open(LeaseId.parse(lease.lease()))) {
            assertThat(lent.layout().tensors()).extracting("name").containsExactly("t0", "t1");
            assertThat(lent.map(0).mismatch(MemorySegment.ofArray(Files.readAllBytes(file))))
                    .isEqualTo(-1);
        }
        assertThat(view(lease).state()).isEqualTo(Lease.State.READY);
    }

    @Test
    void whatIsNoSafetensorsFileIsRefusedAndTheLeaseStays() {
        var lease = ready(4096);
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> arenas.open(LeaseId.parse(lease.lease())))
                .withMessageContaining("must start with {");
        assertThat(((Lease) arenas.giveBack(lease.lease())).state()).isEqualTo(Lease.State.GIVEN_BACK);
    }

    @Test
    void anExpiredArenaIsDeletedAndNotLentAgain() {
        var lease = ready(4096);
        nanos += TIMEOUT.toNanos() - 1;
        expire();
        assertThat(files()).hasSize(1);
        nanos++;
        expire();
        assertThat(files()).isEmpty();
        assertRefused(arenas.view(lease.lease()), Refused.Code.NOT_FOUND, lease.lease());
        assertThatExceptionOfType(CheckpointNotFoundException.class)
                .isThrownBy(() -> arenas.open(LeaseId.parse(lease.lease())));
        assertThat(ready(4096).path()).isNotEqualTo(lease.path());
    }

    @Test
    void anArenaThatIsGivenBackIsLentAgain() {
        var lease = ready(4096);
        arenas.giveBack(lease.lease());
        assertRefused(arenas.giveBack(lease.lease()), Refused.Code.NOT_FOUND, lease.lease());
        assertThat(ready(4000).path()).isEqualTo(lease.path());
    }

    @Test
    void anArenaThatIsGivenBackBeforeItIsReadyIsKept() {
        var lease = lend(4096);
        arenas.giveBack(lease.lease());
        work.remove().run();
        assertThat(files()).hasSize(1);
        assertThat(Path.of(ready(4096).path())).isEqualTo(files().getFirst());
    }

    @Test
    void aPublishedArenaCanNotBeOpenedForWritingAndIsLentAgainWhenItsVersionIsReleased() throws Exception {
        var lease = written(TestCheckpoints.file(directory.resolve("a"), "t", 10));
        var version = arenas.open(LeaseId.parse(lease.lease()));
        assertRefused(arenas.giveBack(lease.lease()), Refused.Code.CONFLICT, "being published");
        version.endLease();
        nanos += 2 * TIMEOUT.toNanos();
        expire();
        assertThat(Files.getPosixFilePermissions(Path.of(lease.path())))
                .containsExactly(PosixFilePermission.OWNER_READ);
        assertRefused(arenas.view(lease.lease()), Refused.Code.NOT_FOUND, "published");
        version.close();
        var next = ready(lease.bytes());
        assertThat(next.path()).isEqualTo(lease.path());
        assertThat(Files.getPosixFilePermissions(Path.of(next.path()))).contains(PosixFilePermission.OWNER_WRITE);
    }

    @Test
    void aLeaseDoesNotExpireWhileItIsBeingPublished() throws Exception {
        var lease = written(TestCheckpoints.file(directory.resolve("a"), "t", 10));
        try (var reader = arenas.open(LeaseId.parse(lease.lease()))) {
            nanos += 2 * TIMEOUT.toNanos();
            expire();
            assertThat(files()).hasSize(1);
            assertThat(reader.layout().tensors()).hasSize(1);
        }
        expire();
        assertThat(files()).isEmpty();
    }

    @Test
    void moreThanMayBeLentIsRefusedWithTheNumbers() {
        ready(MOST - 1000);
        assertRefused(
                arenas.lend(1001), Refused.Code.UNAVAILABLE, "bytes: ", "at most 10000000", "9999000 are lent", "1001");
        assertRefused(arenas.lend(0), Refused.Code.INVALID, "bytes: must be at least 1");
        assertThat(arenas.lend(1000)).isInstanceOf(Lease.class);
    }

    @Test
    void memoryThatIsNotThereIsToldWithTheNumbersAndDoesNotCount() {
        arenas.close();
        long tooMuch = 1L << 50;
        arenas = new LentArenas(
                "h",
                new ArenaPool(new ShmNames(shm, "h"), Pinning.NONE),
                new LeaseSettings(TIMEOUT, tooMuch),
                work::add,
                () -> nanos);
        var lease = lend(tooMuch);
        work.remove().run();
        assertThat(view(lease).state()).isEqualTo(Lease.State.FAILED);
        assertThat(view(lease).error()).contains(String.valueOf(tooMuch), "bytes free");
        assertThat(arenas.lend(tooMuch)).isInstanceOf(Lease.class);
    }

    @Test
    void anotherHostsArenaIsNamedAsSuch() {
        assertThatExceptionOfType(CheckpointNotFoundException.class)
                .isThrownBy(() -> arenas.open(new LeaseId("other", "0123456789ab")))
                .withMessageContaining("arena:other-0123456789ab")
                .withMessageContaining("host other; it has no files");
    }

    private void expire() {
        arenas.expire();
        while (!work.isEmpty()) {
            work.remove().run();
        }
    }

    private Lease lend(long bytes) {
        return (Lease) arenas.lend(bytes);
    }

    private Lease view(Lease lease) {
        return (Lease) arenas.view(lease.lease());
    }

    private Lease ready(long bytes) {
        var lease = lend(bytes);
        work.remove().run();
        return view(lease);
    }

    private Lease written(Path file) throws IOException {
        var bytes = Files.readAllBytes(file);
        var lease = ready(bytes.length);
        try (var arena = FileChannel.open(Path.of(lease.path()), StandardOpenOption.WRITE)) {
            arena.write(ByteBuffer.wrap(bytes));
        }
        return lease;
    }

    private List<Path> files() {
        try (var files = Files.list(shm)) {
            return files.toList();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static void assertRefused(Object reply, Refused.Code code, String... parts) {
        assertThat(reply).isInstanceOfSatisfying(Refused.class, refused -> {
            assertThat(refused.code()).isEqualTo(code);
            assertThat(refused.message()).contains(parts);
        });
    }
}
