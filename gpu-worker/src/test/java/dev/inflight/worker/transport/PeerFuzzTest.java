package dev.inflight.worker.transport;

import static dev.inflight.worker.transport.PeerFixture.KEY;
import static dev.inflight.worker.transport.PeerFixture.PATIENT;
import static dev.inflight.worker.transport.PeerFixture.landing;
import static dev.inflight.worker.transport.PeerFixture.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class PeerFuzzTest {
    private static final int ROUNDS = 300;
    private static final byte[] OPEN = RawPeer.frame(Op.OPEN, 0, Payload.key(KEY));

    @Test
    void framesNobodyMaySendAreRefused() throws Exception {
        byte[] damaged = OPEN.clone();
        damaged[damaged.length - 1] ^= 1;
        byte[] reserved = RawPeer.frame(Op.PING, 0);
        reserved[2] = 1;
        byte[] oversized = RawPeer.frame(Op.MANIFEST, 0, ByteBuffer.allocate(8192));
        byte[] negative =
                ByteBuffer.wrap(RawPeer.frame(Op.OPEN, 0)).putInt(4, -1).array();
        byte[] request = RawPeer.frame(Op.REQUEST_BYTES, 1);
        List<byte[][]> conversations = List.of(
                new byte[][] {damaged},
                new byte[][] {reserved},
                new byte[][] {oversized},
                new byte[][] {negative},
                new byte[][] {request},
                new byte[][] {RawPeer.frame(99, 0, ByteBuffer.allocate(0))},
                new byte[][] {RawPeer.frame(Op.CHUNK, 0, ByteBuffer.allocate(10))},
                new byte[][] {RawPeer.frame(Op.OPEN, 0, ByteBuffer.allocate(3))},
                new byte[][] {RawPeer.frame(Op.OPEN, 0, ByteBuffer.allocate(100))},
                new byte[][] {RawPeer.frame(Op.MEET, 0, ByteBuffer.allocate(3))},
                new byte[][] {RawPeer.frame(Op.MEET, 0, arrival(1, 0, 0))},
                new byte[][] {RawPeer.frame(Op.MEET, 0, arrival(2, 2, 0))},
                new byte[][] {RawPeer.frame(Op.MEET, 0, arrival(2, 0, 1))},
                new byte[][] {RawPeer.frame(Op.MEET, 0, arrival(2, 0, 2))},
                new byte[][] {RawPeer.frame(Op.GROUP, 0, ByteBuffer.allocate(128))},
                new byte[][] {RawPeer.frame(Op.PART, 0, ByteBuffer.allocate(3))},
                new byte[][] {RawPeer.frame(Op.PART, 0, ByteBuffer.allocate(100))},
                new byte[][] {RawPeer.frame(Op.LIMITS, 0, ByteBuffer.allocate(3))},
                new byte[][] {
                    RawPeer.frame(Op.LIMITS, 0, ByteBuffer.allocate(100).putInt(0, 9))
                },
                new byte[][] {RawPeer.frame(Op.WAIT, 0), RawPeer.frame(Op.CHUNK, 0)},
                new byte[][] {RawPeer.frame(Op.PART_BYTES, 0, ByteBuffer.allocate(8))},
                new byte[][] {RawPeer.frame(Op.CAST_PARTS, 0, ByteBuffer.allocate(3))},
                new byte[][] {RawPeer.frame(Op.CAST_PARTS, 0, ByteBuffer.allocate(100))},
                new byte[][] {RawPeer.frame(Op.CAST_PARTS, 0, ByteBuffer.allocate(4))},
                new byte[][] {RawPeer.frame(Op.PARTS_WANTED, 0, ByteBuffer.allocate(9))},
                new byte[][] {OPEN, OPEN},
                new byte[][] {OPEN, RawPeer.frame(Op.CONSUMED, 1)});
        try (PeerFixture peers = new PeerFixture()) {
            for (byte[][] conversation : conversations) {
                try (RawPeer raw = RawPeer.connect(peers.server.endpoint())) {
                    raw.write(RawPeer.greeting()).write(conversation);
                    raw.readAll();
                }
            }
            assertHealthy(peers);
        }
    }

    /** Of a rank that says it holds an id, or something else, and sends none. */
    private static ByteBuffer arrival(int ranks, int rank, int holds) {
        return ByteBuffer.allocate(17)
                .putLong(7)
                .putInt(ranks)
                .putInt(rank)
                .put((byte) holds)
                .flip();
    }

    @Test
    void tooManyRequestsAreRefused() throws Exception {
        try (PeerFixture peers = new PeerFixture();
                RawPeer raw = RawPeer.connect(peers.server.endpoint())) {
            raw.write(RawPeer.greeting(), OPEN);
            raw.awaitOffer("node-a");
            byte[][] requests = new byte[PeerResponder.MAX_OUTSTANDING + 2][];
            for (int i = 0; i < requests.length; i++) {
                requests[i] = RawPeer.frame(Op.REQUEST_BYTES, i);
            }
            raw.write(requests);
            assertThat(raw.readAll()).contains("requests are outstanding");
            assertThat(peers.service.closed.take().clean()).isFalse();
        }
    }

    @Test
    void randomBytesDoNotHarmAServer() throws Exception {
        Random random = new Random(20261122);
        try (PeerFixture peers = new PeerFixture()) {
            for (int round = 0; round < ROUNDS; round++) {
                try (RawPeer raw = RawPeer.connect(peers.server.endpoint())) {
                    byte[] noise = new byte[random.nextInt(300)];
                    random.nextBytes(noise);
                    byte[] start = round % 3 == 0 ? new byte[0] : RawPeer.greeting();
                    raw.writeWhileHeard(start, round % 2 == 0 ? noise : frames(random));
                    raw.readAll();
                }
            }
            assertHealthy(peers);
        }
    }

    @Test
    void randomAnswersFailAClientAsAPeerDoes() throws Exception {
        Random random = new Random(20261123);
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            String endpoint = "127.0.0.1:" + server.getLocalPort();
            for (int round = 0; round < ROUNDS; round++) {
                byte[] answers = frames(random);
                Thread answering = Thread.ofVirtual().start(() -> answer(server, answers));
                assertThatCode(() -> converse(endpoint)).isInstanceOf(PeerException.class);
                answering.join();
            }
        }
    }

    private static void answer(ServerSocket server, byte[] answers) {
        try (RawPeer raw = new RawPeer(server.accept())) {
            raw.writeWhileHeard(RawPeer.greeting(), answers);
            raw.readAll();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void converse(String endpoint) throws PeerException {
        try (PeerConnection connection = PeerConnection.connect(endpoint, PATIENT);
                PeerTransfer transfer = connection.openTransfer(KEY, "")) {
            int bucket = 1;
            while (transfer.mapped()) {
                transfer.awaitMapped(bucket++);
            }
            while (true) {
                transfer.fetch(bucket++, landing(100));
            }
        }
    }

    /** Well-formed frames in an order that makes no sense. */
    private static byte[] frames(Random random) {
        ByteBuffer all = ByteBuffer.allocate(1 << 16);
        for (int i = random.nextInt(12); i >= 0; i--) {
            Op op = Op.values()[random.nextInt(Op.values().length)];
            byte[] payload = new byte[random.nextInt(Math.min(64, op.maxLength() + 1))];
            if (random.nextInt(4) == 0) {
                random.nextBytes(payload);
            }
            ByteBuffer content = ByteBuffer.wrap(payload);
            if (op == Op.OPEN && random.nextBoolean()) {
                content = Payload.key(KEY);
            } else if (op == Op.OFFER || i > 9) {
                content = Payload.offer(new TransferOffer(random.nextBoolean() ? "" : "x", List.of()));
                op = Op.OFFER;
            }
            all.put(RawPeer.frame(op, random.nextInt(3), content));
        }
        byte[] bytes = new byte[all.flip().remaining()];
        all.get(bytes);
        return bytes;
    }

    private static void assertHealthy(PeerFixture peers) throws PeerException {
        peers.service.put(1_000_000, 0, random(10, 1));
        try (PeerTransfer transfer = peers.open()) {
            assertThat(transfer.fetch(1_000_000, landing(10))).isEqualTo(10);
            transfer.consumed(1_000_000);
        }
        peers.server.close();
        assertThat(peers.server.connections()).isZero();
        assertThat(peers.service.closed).hasSize(peers.service.opened.get());
    }
}
