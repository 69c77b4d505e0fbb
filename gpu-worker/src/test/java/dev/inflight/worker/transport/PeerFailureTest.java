package dev.inflight.worker.transport;

import static dev.inflight.worker.transport.PeerFixture.HERE;
import static dev.inflight.worker.transport.PeerFixture.IMPATIENT;
import static dev.inflight.worker.transport.PeerFixture.KEY;
import static dev.inflight.worker.transport.PeerFixture.PATIENT;
import static dev.inflight.worker.transport.PeerFixture.landing;
import static dev.inflight.worker.transport.PeerFixture.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class PeerFailureTest {
    private static final int MIB = 1 << 20;

    @Test
    void aByteThatChangesOnItsWayIsFoundAndNamed() throws Exception {
        try (PeerFixture peers = new PeerFixture();
                Proxy wire = new Proxy(peers.server.endpoint())) {
            MemorySegment bucket = landing(5 * MIB);
            bucket.asSlice(2 * MIB + 5000, 4096).fill(Proxy.MARK);
            peers.service.put(6, 0, bucket);
            wire.damageMark();
            PeerTransfer transfer =
                    PeerConnection.connect(wire.endpoint(), PATIENT).openTransfer(KEY, HERE);
            assertThatThrownBy(() -> transfer.fetch(6, landing(5 * MIB)))
                    .isInstanceOf(PeerException.class)
                    .hasMessageStartingWith(
                            "peer " + wire.endpoint() + ": bucket 6 chunk 2: the CRC32C does not match");
            assertThat(peers.service.closed.take()).isEqualTo(new StubService.Closed(KEY, false));
            assertThatThrownBy(() -> transfer.fetch(7, landing(1))).isInstanceOf(PeerException.class);
        }
    }

    @Test
    void aConnectionCutInsideABucketFailsBothSides() throws Exception {
        try (PeerFixture peers = new PeerFixture();
                Proxy wire = new Proxy(peers.server.endpoint(), 3 * MIB)) {
            peers.service.put(0, 0, random(8 * MIB, 1));
            PeerTransfer transfer =
                    PeerConnection.connect(wire.endpoint(), PATIENT).openTransfer(KEY, HERE);
            assertThatThrownBy(() -> transfer.fetch(0, landing(8 * MIB)))
                    .isInstanceOf(PeerException.class)
                    .hasMessageContaining("peer " + wire.endpoint());
            assertThat(peers.service.closed.take()).isEqualTo(new StubService.Closed(KEY, false));
        }
    }

    @Test
    void aServerThatStopsFailsAWaitingConsumer() throws Exception {
        try (PeerFixture peers = new PeerFixture();
                PeerTransfer transfer = peers.open()) {
            CompletableFuture<Long> fetch = inBackground(() -> transfer.fetch(0, landing(1)));
            assertThat(peers.service.awaited.take()).isZero();
            peers.server.close();
            assertThat(peers.service.closed).containsExactly(new StubService.Closed(KEY, false));
            assertFailsAsPeer(fetch);
        }
    }

    @Test
    void aConsumerThatDiesEndsTheWaitForItsBucket() throws Exception {
        try (PeerFixture peers = new PeerFixture();
                Proxy wire = new Proxy(peers.server.endpoint())) {
            PeerTransfer transfer =
                    PeerConnection.connect(wire.endpoint(), PATIENT).openTransfer(KEY, HERE);
            transfer.request(0);
            assertThat(peers.service.awaited.take()).isZero();
            wire.close();
            assertThat(peers.service.closed.take()).isEqualTo(new StubService.Closed(KEY, false));
            transfer.close();
        }
    }

    @Test
    void aConsumerThatFallsSilentIsGivenUp() throws Exception {
        try (PeerFixture peers = new PeerFixture(IMPATIENT);
                RawPeer silent = RawPeer.connect(peers.server.endpoint())) {
            silent.write(RawPeer.greeting(), RawPeer.frame(Op.OPEN, 0, Payload.key(KEY)));
            silent.awaitOffer("node-a");
            silent.write(RawPeer.frame(Op.REQUEST_BYTES, 0));
            assertThat(peers.service.closed.take()).isEqualTo(new StubService.Closed(KEY, false));
        }
    }

    @Test
    void aServerThatWaitsForItsBucketIsNotGivenUp() throws Exception {
        try (PeerFixture peers = new PeerFixture();
                Proxy wire = new Proxy(peers.server.endpoint());
                PeerTransfer transfer =
                        PeerConnection.connect(wire.endpoint(), IMPATIENT).openTransfer(KEY, HERE)) {
            CompletableFuture<Long> fetch = inBackground(() -> transfer.fetch(0, landing(10)));
            wire.awaitPingsFromServer();
            peers.service.put(0, 0, random(10, 1));
            assertThat(fetch.get()).isEqualTo(10);
            transfer.consumed(0);
        }
    }

    @Test
    void aConsumerBusyWithItsEngineIsNotGivenUp() throws Exception {
        try (PeerFixture peers = new PeerFixture(IMPATIENT);
                Proxy wire = new Proxy(peers.server.endpoint());
                PeerTransfer transfer =
                        PeerConnection.connect(wire.endpoint(), PATIENT).openTransfer(KEY, HERE)) {
            wire.awaitPingsFromClient();
            peers.service.put(0, 0, random(10, 1));
            assertThat(transfer.fetch(0, landing(10))).isEqualTo(10);
            transfer.consumed(0);
        }
    }

    @Test
    void interruptingAWaitingConsumerEndsItsTransfer() throws Exception {
        try (PeerFixture peers = new PeerFixture();
                PeerTransfer transfer = peers.open()) {
            CompletableFuture<Long> fetch = new CompletableFuture<>();
            Thread consumer = Thread.ofPlatform().start(() -> complete(fetch, () -> transfer.fetch(0, landing(1))));
            assertThat(peers.service.awaited.take()).isZero();
            consumer.interrupt();
            assertFailsAsPeer(fetch);
            assertThat(peers.service.closed.take()).isEqualTo(new StubService.Closed(KEY, false));
        }
    }

    @Test
    void closingFromAnotherThreadEndsAWait() throws Exception {
        try (PeerFixture peers = new PeerFixture()) {
            PeerTransfer transfer = peers.open();
            CompletableFuture<Long> fetch = inBackground(() -> transfer.fetch(0, landing(1)));
            assertThat(peers.service.awaited.take()).isZero();
            transfer.close();
            assertFailsAsPeer(fetch);
            assertThat(peers.service.closed.take()).isEqualTo(new StubService.Closed(KEY, false));
        }
    }

    @Test
    void anOwnerCanGiveATransferUp() throws Exception {
        try (PeerFixture peers = new PeerFixture();
                PeerTransfer transfer = peers.open()) {
            CompletableFuture<Long> fetch = inBackground(() -> transfer.fetch(0, landing(1)));
            assertThat(peers.service.awaited.take()).isZero();
            peers.server.abandon(KEY);
            assertThat(peers.service.closed.take()).isEqualTo(new StubService.Closed(KEY, false));
            assertFailsAsPeer(fetch);
        }
    }

    private interface Fetch {
        long run() throws PeerException;
    }

    private static CompletableFuture<Long> inBackground(Fetch fetch) {
        CompletableFuture<Long> result = new CompletableFuture<>();
        Thread.ofVirtual().start(() -> complete(result, fetch));
        return result;
    }

    private static void complete(CompletableFuture<Long> result, Fetch fetch) {
        try {
            result.complete(fetch.run());
        } catch (Throwable e) {
            result.completeExceptionally(e);
        }
    }

    private static void assertFailsAsPeer(CompletableFuture<Long> fetch) {
        assertThatThrownBy(fetch::get).isInstanceOf(ExecutionException.class).hasCauseInstanceOf(PeerException.class);
    }
}
