package dev.inflight.worker.transport;

import static dev.inflight.worker.transport.PeerFixture.HERE;
import static dev.inflight.worker.transport.PeerFixture.PATIENT;
import static dev.inflight.worker.transport.PeerFixture.landing;
import static dev.inflight.worker.transport.PeerFixture.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class PartReaderTest {
    private static final int MIB = 1 << 20;
    private static final PartKey FIRST = new PartKey("digest/2/8388608", 0, 3 << 20, 5);
    private static final PartKey SECOND = new PartKey("digest/2/8388608", 1, 0, 7);

    @TempDir
    Path directory;

    private final AtomicInteger released = new AtomicInteger();

    @Test
    void partsComeInTheOrderInWhichTheyWereAskedFor() throws Exception {
        try (var peers = new PeerFixture();
                var reader = connect(peers.server.endpoint())) {
            var first = random(8 * MIB - 3, 1);
            var second = random(5, 2);
            put(peers, FIRST, first, null);
            reader.request(FIRST);
            reader.request(SECOND);
            var landed = new AtomicLong();
            assertSame(first, read(reader, first.byteSize(), landed));
            put(peers, SECOND, second, null);
            assertSame(second, read(reader, 5, landed));
            assertThat(landed.get()).isEqualTo(first.byteSize() + 5);
            assertThat(reader.host()).isEqualTo("node-a");
        }
        assertThat(released).hasValue(2);
    }

    @Test
    void partsInSharedMemoryAreCopiedFromThere() throws Exception {
        var file = directory.resolve("arena");
        var bytes = random(3 * MIB, 3);
        try (var out = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            out.write(bytes.asByteBuffer());
        }
        try (var peers = new PeerFixture();
                var reader = connect(peers.server.endpoint())) {
            put(peers, FIRST, landing(2 * MIB), new FileRange(file.toString(), MIB));
            reader.request(FIRST);
            assertSame(bytes.asSlice(MIB), read(reader, 2 * MIB, new AtomicLong()));

            put(peers, SECOND, landing(2 * MIB), new FileRange(file.toString(), 2 * MIB));
            reader.request(SECOND);
            assertThatThrownBy(() -> read(reader, 2 * MIB, new AtomicLong()))
                    .isInstanceOf(PeerException.class)
                    .hasMessageContaining("bytes 0 to 7 of shard 1")
                    .hasMessageContaining("too few");
        }
    }

    @Test
    void aPartOfAnotherLengthIsRefused() throws Exception {
        try (var peers = new PeerFixture();
                var reader = connect(peers.server.endpoint())) {
            put(peers, FIRST, landing(10), null);
            reader.request(FIRST);
            assertThatThrownBy(() -> read(reader, 11, new AtomicLong()))
                    .isInstanceOf(PeerException.class)
                    .hasMessageContaining("bytes 3145728 to 3145733 of shard 0: it has 10 bytes there, 11 here");
        }
    }

    @Test
    void aByteThatChangesOnItsWayIsFoundAndNamed() throws Exception {
        try (var peers = new PeerFixture();
                var wire = new Proxy(peers.server.endpoint());
                var reader = connect(wire.endpoint())) {
            var part = landing(5 * MIB);
            part.asSlice(2 * MIB + 5000, 4096).fill(Proxy.MARK);
            put(peers, FIRST, part, null);
            wire.damageMark();
            reader.request(FIRST);
            assertThatThrownBy(() -> read(reader, 5 * MIB, new AtomicLong()))
                    .isInstanceOf(PeerException.class)
                    .hasMessageContaining("bytes 3145728 to 3145733 of shard 0 chunk 2: the CRC32C does not match");
        }
    }

    @Test
    void aSourceThatRefusesSaysWhy() throws Exception {
        try (var peers = new PeerFixture();
                var reader = connect(peers.server.endpoint())) {
            peers.service.parts.put(
                    FIRST, CompletableFuture.failedFuture(new IllegalStateException("it was released")));
            reader.request(FIRST);
            assertThatThrownBy(() -> read(reader, 1, new AtomicLong()))
                    .isInstanceOf(PeerException.class)
                    .hasMessageContaining("bytes 3145728 to 3145733 of shard 0: it was released");
        }
    }

    @Test
    void aSourceThatIsAliveButGivesNothingIsGivenUp() throws Exception {
        try (var peers = new PeerFixture(Duration.ofMillis(400));
                var reader = PartReader.connect(
                        peers.server.endpoint(), HERE, Duration.ofMillis(400), Duration.ofMillis(900))) {
            reader.request(FIRST);
            assertThatThrownBy(() -> read(reader, 1, new AtomicLong()))
                    .isInstanceOf(PeerException.class)
                    .hasMessageContaining("did not answer for 900 ms, though it is alive");
        }
    }

    @Test
    void aThrottledSourceIsNotTakenForADeadOne() throws Exception {
        var service = new StubService();
        service.parts.put(FIRST, CompletableFuture.completedFuture(new PartBytes(random(2 * MIB, 5), null, () -> {})));
        try (var server = PeerServer.start(
                        new InetSocketAddress("127.0.0.1", 0),
                        "slow",
                        service,
                        Duration.ofMillis(200),
                        new RateLimit(2 * MIB));
                var reader = PartReader.connect(server.endpoint(), "", Duration.ofMillis(200), PATIENT)) {
            reader.request(FIRST);
            long begin = System.nanoTime();
            read(reader, 2 * MIB, new AtomicLong());
            assertThat(Duration.ofNanos(System.nanoTime() - begin)).isGreaterThan(Duration.ofMillis(900));
        }
    }

    private static PartReader connect(String endpoint) throws PeerException {
        return PartReader.connect(endpoint, HERE, PATIENT, PATIENT);
    }

    private void put(PeerFixture peers, PartKey key, MemorySegment bytes, @Nullable FileRange file) {
        peers.service
                .parts
                .computeIfAbsent(key, k -> new CompletableFuture<>())
                .complete(new PartBytes(bytes, file, released::incrementAndGet));
    }

    private static MemorySegment read(PartReader reader, long bytes, AtomicLong landed) throws PeerException {
        var target = landing(bytes);
        reader.read(target, landed::addAndGet);
        return target;
    }

    private static void assertSame(MemorySegment expected, MemorySegment actual) {
        ByteBuffer one = expected.asByteBuffer();
        assertThat(one.compareTo(actual.asByteBuffer())).isZero();
    }
}
