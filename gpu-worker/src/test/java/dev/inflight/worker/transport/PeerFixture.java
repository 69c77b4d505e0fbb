package dev.inflight.worker.transport;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.Random;

/** A server over a {@link StubService} on the loopback address. */
final class PeerFixture implements AutoCloseable {
    static final TransferKey KEY = new TransferKey(7, "node-a/0", "node-b/1");
    static final String HERE = "here";
    static final Duration PATIENT = Duration.ofSeconds(30);
    static final Duration IMPATIENT = Duration.ofMillis(200);

    final StubService service = new StubService();
    final PeerServer server;

    PeerFixture() throws IOException {
        this(PATIENT);
    }

    PeerFixture(Duration idleTimeout) throws IOException {
        server = PeerServer.start(
                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), "node-a", service, idleTimeout);
    }

    PeerConnection connect() throws PeerException {
        return PeerConnection.connect(server.endpoint(), PATIENT);
    }

    PeerTransfer open() throws PeerException {
        return connect().openTransfer(KEY, HERE);
    }

    static MemorySegment random(long bytes, long seed) {
        MemorySegment segment = Arena.ofAuto().allocate(Math.max(1, bytes)).asSlice(0, bytes);
        Random random = new Random(seed);
        for (long i = 0; i < bytes; i++) {
            segment.set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt());
        }
        return segment;
    }

    static MemorySegment landing(long bytes) {
        return Arena.ofAuto().allocate(Math.max(1, bytes));
    }

    @Override
    public void close() {
        server.close();
    }
}
