package dev.inflight.worker.transport;

import static dev.inflight.worker.transport.PeerFixture.KEY;
import static dev.inflight.worker.transport.PeerFixture.PATIENT;
import static dev.inflight.worker.transport.PeerFixture.landing;
import static dev.inflight.worker.transport.PeerFixture.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.inflight.worker.ucx.TestUcx;
import dev.inflight.worker.ucx.UcxNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Parts and buckets by UCX; the other side is a process of its own where it is killed. */
@Timeout(120)
class UcxPeerTest {
    private static final int MIB = 1 << 20;
    private static final PartKey PART = new PartKey("digest/1/67108864", 0, 0, 1 << 20);
    private static final String READY = "ready ";

    private final CountDownLatch released = new CountDownLatch(1);
    private UcxNode here;
    private UcxNode there;

    @BeforeEach
    void start() {
        here = TestUcx.start();
        there = TestUcx.start();
    }

    @AfterEach
    void stop() {
        if (there != null) {
            here.close();
            there.close();
        }
    }

    @Test
    void partsComeByUcxWholeAndInOrder() throws Exception {
        var first = random(20 * MIB - 3, 1);
        var second = random(5, 2);
        var other = new PartKey(PART.checkpoint(), 0, 1 << 20, 5);
        var service = new StubService();
        service.parts.put(PART, CompletableFuture.completedFuture(new PartBytes(first, null, released::countDown)));
        service.parts.put(other, CompletableFuture.completedFuture(new PartBytes(second, null, () -> {})));
        try (var server = serve(service, there);
                var reader = PartReader.connect(server.endpoint(), "here", here, PATIENT, PATIENT, SourcePace.NONE)) {
            reader.request(PART);
            reader.request(other);
            assertThat(read(reader, first.byteSize()).mismatch(first)).isEqualTo(-1);
            assertThat(read(reader, 5).mismatch(second)).isEqualTo(-1);
            assertThat(here.receivedBytes()).isEqualTo(Integer.BYTES + first.byteSize() + 5);
            assertThat(released.await(60, TimeUnit.SECONDS)).isTrue();
        }
    }

    @Test
    void bucketsComeByUcx() throws Exception {
        var service = new StubService();
        var bytes = random(3 * MIB + 1, 3);
        service.put(0, 0, bytes);
        try (var server = serve(service, there);
                var connection = PeerConnection.connect(server.endpoint(), PATIENT);
                var transfer = connection.openTransfer(KEY, "here")) {
            transfer.useUcx(here);
            transfer.request(0);
            var landed = landing(4 * MIB);
            assertThat(transfer.fetch(0, landed)).isEqualTo(bytes.byteSize());
            assertThat(landed.asSlice(0, bytes.byteSize()).mismatch(bytes)).isEqualTo(-1);
            transfer.consumed(0);
            assertThat(here.receivedBytes()).isGreaterThan(bytes.byteSize());
        }
    }

    @Test
    void aPeerWithoutUcxIsReadOverTcp() throws Exception {
        var bytes = random(2 * MIB, 4);
        var service = new StubService();
        service.parts.put(PART, CompletableFuture.completedFuture(new PartBytes(bytes, null, released::countDown)));
        try (var server = serve(service, null);
                var reader = PartReader.connect(server.endpoint(), "here", here, PATIENT, PATIENT, SourcePace.NONE)) {
            reader.request(PART);
            assertThat(read(reader, bytes.byteSize()).mismatch(bytes)).isEqualTo(-1);
            assertThat(here.receivedBytes()).isZero();
        }
    }

    @Test
    void theReaderOfAKilledSourceIsToldSo() throws Exception {
        try (var source = new OtherProcess("serve");
                var reader = PartReader.connect(source.said(), "here", here, PATIENT, PATIENT, SourcePace.NONE)) {
            reader.request(PART);
            var target = landing(OtherProcess.PART_BYTES);
            assertThatThrownBy(() -> reader.read(target, bytes -> source.kill()))
                    .isInstanceOf(PeerException.class);
        }
    }

    @Test
    void aSourceLetsGoOfWhatAKilledReaderAskedFor() throws Exception {
        var service = new StubService();
        var bytes = random(OtherProcess.PART_BYTES, 5);
        service.parts.put(PART, CompletableFuture.completedFuture(new PartBytes(bytes, null, released::countDown)));
        try (var server = serve(service, there);
                var reader = new OtherProcess("read", server.endpoint())) {
            assertThat(reader.said()).isEqualTo("begun");
            reader.kill();
            assertThat(released.await(60, TimeUnit.SECONDS)).isTrue();
        }
    }

    private static MemorySegment read(PartReader reader, long bytes) throws PeerException {
        var target = landing(bytes).asSlice(0, bytes);
        var landed = new AtomicLong();
        reader.read(target, landed::addAndGet);
        assertThat(landed).hasValue(bytes);
        return target;
    }

    private static PeerServer serve(StubService service, @Nullable UcxNode ucx) throws IOException {
        return PeerServer.start(
                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                "node-a",
                service,
                PATIENT,
                new RateLimit(0),
                ucx);
    }

    /** Serves or reads one part in a process of its own. */
    static final class OtherProcess implements AutoCloseable {
        static final int PART_BYTES = 64 * MIB;

        private final Process process;
        private final BufferedReader output;

        OtherProcess(String... arguments) throws IOException {
            var command = new ArrayList<>(List.of(
                    ProcessHandle.current().info().command().orElseThrow(),
                    "--enable-native-access=ALL-UNNAMED",
                    "-XX:TieredStopAtLevel=1",
                    "-cp",
                    System.getProperty("java.class.path"),
                    OtherProcess.class.getName()));
            command.addAll(List.of(arguments));
            process = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            output = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        }

        /** What it said when it was ready. */
        String said() throws IOException {
            for (var line = output.readLine(); line != null; line = output.readLine()) {
                if (line.startsWith(READY)) {
                    return line.substring(READY.length());
                }
            }
            throw new IOException("the other process ended");
        }

        void kill() {
            process.destroyForcibly();
        }

        @Override
        public void close() {
            kill();
        }

        public static void main(String[] args) throws Exception {
            var ucx = TestUcx.start();
            if (args[0].equals("serve")) {
                var service = new StubService();
                var bytes = landing(PART_BYTES);
                service.parts.put(PART, CompletableFuture.completedFuture(new PartBytes(bytes, null, () -> {})));
                // Slow enough to be killed on the way.
                var server = PeerServer.start(
                        new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                        "node-b",
                        service,
                        PATIENT,
                        new RateLimit(4 * MIB),
                        ucx);
                System.out.println(READY + server.endpoint());
            } else {
                var reader = PartReader.connect(args[1], "there", ucx, PATIENT, PATIENT, SourcePace.NONE);
                reader.request(PART);
                reader.read(landing(PART_BYTES), bytes -> {
                    System.out.println(READY + "begun");
                    sleep();
                });
            }
            sleep();
        }

        private static void sleep() {
            try {
                Thread.sleep(Duration.ofHours(1));
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
