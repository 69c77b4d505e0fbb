package dev.inflight.worker.transport;

import static dev.inflight.worker.transport.PeerFixture.KEY;
import static dev.inflight.worker.transport.PeerFixture.PATIENT;
import static dev.inflight.worker.transport.PeerFixture.landing;
import static dev.inflight.worker.transport.PeerFixture.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.inflight.protocol.cluster.BandwidthLimit;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A source with limits, over sockets. Bytes that come too early fail these tests, a slow machine does not. */
@Timeout(60)
class SourcePaceTest {
    private static final int MIB = 1 << 20;
    private static final PartKey PART = new PartKey("digest/2/8388608", 0, 0, 2 * MIB);
    private static final PartKey SMALL = new PartKey("digest/2/8388608", 0, 0, MIB);
    private static final Duration SHORT = Duration.ofMillis(300);
    private static final long NO_LIMIT = 0;

    private final StubService service = new StubService();
    private final List<AutoCloseable> open = new ArrayList<>();
    private PeerServer server;

    @AfterEach
    void close() throws Exception {
        for (var one : open.reversed()) {
            one.close();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"model m", "tenant ann"})
    void connectionsThatCountUnderOneScopeShareItsRate(String scope) throws Exception {
        start(NO_LIMIT);
        var both = List.of(limit(scope, 8 * MIB), limit("wider", 100 * MIB));
        long begin = System.nanoTime();
        readTogether(reader(both), reader(both));
        assertThat(since(begin)).isGreaterThanOrEqualTo(Duration.ofMillis(500));
    }

    @Test
    void theLowestOfModelTenantAndHostHolds() throws Exception {
        start(8 * MIB);
        long begin = System.nanoTime();
        readTogether(
                reader(List.of(limit("model m", 100 * MIB), limit("tenant ann", 100 * MIB))),
                reader(List.of(limit("model n", 100 * MIB), limit("tenant bob", 100 * MIB))));
        assertThat(since(begin)).isGreaterThanOrEqualTo(Duration.ofMillis(500));
    }

    @Test
    void aScopeThatIsSlowHoldsUpNoOther() throws Exception {
        start(1000 * MIB);
        var slow = reader(List.of(limit("model slow", 1)));
        slow.request(PART);
        read(reader(List.of(limit("model quick", 100 * MIB))));
        read(reader(List.of()));
    }

    @Test
    void bucketsKeepToTheLimitsOfTheirUpdateAndToTheHostsOnlyThen() throws Exception {
        start(8 * MIB);
        long begin = System.nanoTime();
        fetch(List.of(limit("model m", 100 * MIB)), 4 * MIB);
        assertThat(since(begin)).isGreaterThanOrEqualTo(Duration.ofMillis(500));
        server.close();
        start(1);
        fetch(List.of(), 4 * MIB);
    }

    @Test
    void whoWaitsForItsTurnIsToldAndGoesOnBeyondThePatienceWithASilentSource() throws Exception {
        start(NO_LIMIT);
        var told = new AtomicInteger();
        var reader = reader(new SourcePace(List.of(limit("model m", MIB)), () -> {
            told.incrementAndGet();
            return true;
        }));
        read(reader, SMALL);
        assertThat(told.get()).isGreaterThanOrEqualTo(2);
    }

    @Test
    void whoDoesNotWantToWaitGivesTheSourceUp() throws Exception {
        start(NO_LIMIT);
        var reader = reader(new SourcePace(List.of(limit("model m", 1)), () -> false));
        assertThatThrownBy(() -> read(reader))
                .isInstanceOf(PeerException.class)
                .hasMessageContaining("did not answer for 300 ms, though it is alive");
    }

    @Test
    void aConnectionThatWaitsForItsTurnEndsAtOnceWithItsReaderAndWithItsServer() throws Exception {
        start(NO_LIMIT);
        var waiting = new CountDownLatch(1);
        var pace = new SourcePace(List.of(limit("model m", 1)), () -> {
            waiting.countDown();
            return true;
        });
        var reader = reader(pace);
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var abandoned = threads.submit(() -> read(reader));
            waiting.await();
            assertThat(server.connections()).isEqualTo(1);
            reader.abandon();
            assertThatThrownBy(abandoned::get).hasCauseInstanceOf(PeerException.class);
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
            while (server.connections() > 0 && System.nanoTime() < deadline) {
                Thread.sleep(5);
            }
            assertThat(server.connections()).isZero();
            var other = reader(pace);
            var left = threads.submit(() -> read(other));
            server.close();
            assertThatThrownBy(left::get).hasCauseInstanceOf(PeerException.class);
        }
    }

    @Test
    void limitsThatAreNoneAreRefused() throws Exception {
        start(NO_LIMIT);
        try (var peer = RawPeer.connect(server.endpoint())) {
            var zero = ByteBuffer.allocate(15)
                    .putInt(1)
                    .putLong(0)
                    .putShort((short) 1)
                    .put((byte) 'm');
            peer.write(RawPeer.greeting(), RawPeer.frame(Op.LIMITS, 0, zero.flip()));
            assertThat(peer.readAll()).contains("LIMITS", "0 bytes per second");
        }
    }

    private void start(long hostBytesPerSecond) throws Exception {
        for (var part : List.of(PART, SMALL)) {
            var bytes = new PartBytes(random(part.bytes(), 5), null, () -> {});
            service.parts.put(part, CompletableFuture.completedFuture(bytes));
        }
        server = PeerServer.start(
                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                "source",
                service,
                PATIENT,
                new RateLimit(hostBytesPerSecond));
        open.add(server);
    }

    private static BandwidthLimit limit(String scope, long bytesPerSecond) {
        return new BandwidthLimit(scope, bytesPerSecond);
    }

    private PartReader reader(List<BandwidthLimit> limits) throws PeerException {
        return reader(new SourcePace(limits, () -> true));
    }

    private PartReader reader(SourcePace pace) throws PeerException {
        var reader = PartReader.connect(server.endpoint(), "", null, Duration.ofSeconds(2), SHORT, pace);
        open.add(reader);
        return reader;
    }

    private static boolean read(PartReader reader) throws PeerException {
        return read(reader, PART);
    }

    private static boolean read(PartReader reader, PartKey part) throws PeerException {
        reader.request(part);
        return reader.read(landing(part.bytes()), bytes -> {});
    }

    private static void readTogether(PartReader... readers) throws Exception {
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var reading = new ArrayList<Future<Boolean>>();
            for (var reader : readers) {
                reading.add(threads.submit(() -> read(reader)));
            }
            for (var one : reading) {
                assertThat(one.get()).isTrue();
            }
        }
    }

    private void fetch(List<BandwidthLimit> limits, int bytes) throws Exception {
        service.put(3, 0, random(bytes, 7));
        try (var connection = PeerConnection.connect(server.endpoint(), PATIENT)) {
            connection.keepTo(new SourcePace(limits, () -> true));
            var transfer = connection.openTransfer(KEY, "elsewhere else");
            assertThat(transfer.fetch(3, landing(bytes))).isEqualTo(bytes);
            transfer.consumed(3);
        }
    }

    private static Duration since(long begin) {
        return Duration.ofNanos(System.nanoTime() - begin);
    }
}
