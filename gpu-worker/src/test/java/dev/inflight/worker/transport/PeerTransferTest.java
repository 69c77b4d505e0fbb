package dev.inflight.worker.transport;

import static dev.inflight.worker.transport.PeerFixture.HERE;
import static dev.inflight.worker.transport.PeerFixture.KEY;
import static dev.inflight.worker.transport.PeerFixture.landing;
import static dev.inflight.worker.transport.PeerFixture.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class PeerTransferTest {
    private static final int MIB = 1 << 20;

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 255, MIB - 1, MIB, MIB + 1, 5 * MIB, 9 * MIB + 12345})
    void aBucketArrivesAsItWasSent(int bytes) throws Exception {
        try (PeerFixture peers = new PeerFixture()) {
            MemorySegment bucket = random(bytes, bytes);
            peers.service.put(3, 0, bucket);
            MemorySegment landing = landing(bytes + 1000L);

            try (PeerTransfer transfer = peers.open()) {
                assertThat(transfer.mapped()).isFalse();
                assertThat(transfer.fetch(3, landing)).isEqualTo(bytes);
                transfer.consumed(3);
            }

            assertThat(landing.asSlice(0, bytes).mismatch(bucket)).isEqualTo(-1);
            assertThat(peers.service.consumed).containsExactly(3);
            assertThat(peers.service.closed).containsExactly(new StubService.Closed(KEY, true));
        }
    }

    @Test
    void bucketsAskedForAheadArriveInTheOrderAsked() throws Exception {
        try (PeerFixture peers = new PeerFixture()) {
            List<Integer> order = List.of(4, 9, 2, 7);
            try (PeerTransfer transfer = peers.open()) {
                for (int bucket : order) {
                    transfer.request(bucket);
                }
                for (int bucket : order) {
                    MemorySegment bytes = random(MIB + bucket, bucket);
                    MemorySegment landing = landing(bytes.byteSize());
                    peers.service.put(bucket, 0, bytes);
                    assertThat(transfer.fetch(bucket, landing)).isEqualTo(bytes.byteSize());
                    assertThat(landing.mismatch(bytes)).isEqualTo(-1);
                    transfer.consumed(bucket);
                }
            }
            assertThat(peers.service.awaited).containsExactlyElementsOf(order);
            assertThat(peers.service.consumed).containsExactlyElementsOf(order);
        }
    }

    @Test
    void aBucketIsGivenBackWhileALaterOneIsWaitedFor() throws Exception {
        try (PeerFixture peers = new PeerFixture();
                PeerTransfer transfer = peers.open()) {
            peers.service.put(0, 0, random(10, 1));
            transfer.request(0);
            transfer.request(1);
            transfer.fetch(0, landing(10));
            transfer.consumed(0);
            assertThat(peers.service.consumed.take()).isZero();
            peers.service.put(1, 0, random(20, 2));
            assertThat(transfer.fetch(1, landing(20))).isEqualTo(20);
        }
    }

    @Test
    void onTheSameMachineASlotIsNamedInsteadOfCopied() throws Exception {
        try (PeerFixture peers = new PeerFixture()) {
            peers.service.machine = HERE;
            peers.service.slots.add(new SlotInfo(0, "/dev/shm/inflight-a", 0, 4096));
            peers.service.slots.add(new SlotInfo(1, "/dev/shm/inflight-a", 4096, 4096));
            peers.service.put(5, 1, random(4000, 1));
            try (PeerTransfer transfer = peers.open()) {
                assertThat(transfer.mapped()).isTrue();
                assertThat(transfer.slots()).isEqualTo(peers.service.slots);
                assertThat(transfer.awaitMapped(5)).isEqualTo(new SlotRange(1, 0));
                transfer.consumed(5);
            }
            assertThat(peers.service.closed).containsExactly(new StubService.Closed(KEY, true));
        }
    }

    @Test
    void aSlotThatWasNotOfferedIsRefused() throws Exception {
        try (PeerFixture peers = new PeerFixture()) {
            peers.service.machine = HERE;
            peers.service.put(5, 3, random(10, 1));
            try (PeerTransfer transfer = peers.open()) {
                assertThatThrownBy(() -> transfer.awaitMapped(5))
                        .isInstanceOf(PeerException.class)
                        .hasMessageContaining("slot 3")
                        .hasMessageContaining(peers.server.endpoint());
            }
        }
    }

    @Test
    void aBucketLargerThanItsLandingSlotIsRefused() throws Exception {
        try (PeerFixture peers = new PeerFixture()) {
            peers.service.put(2, 0, random(100, 1));
            try (PeerTransfer transfer = peers.open()) {
                assertThatThrownBy(() -> transfer.fetch(2, landing(99)))
                        .isInstanceOf(PeerException.class)
                        .hasMessageContaining("bucket 2: it has 100 bytes but its landing slot only 99");
            }
            assertThat(peers.service.closed.take().clean()).isFalse();
        }
    }

    @Test
    void theOwnersReasonReachesTheConsumer() throws Exception {
        try (PeerFixture peers = new PeerFixture()) {
            peers.service.fail(0, new PeerException("block 3 of wte.weight is damaged in the host store"));
            try (PeerTransfer transfer = peers.open()) {
                assertThatThrownBy(() -> transfer.fetch(0, landing(10)))
                        .isInstanceOf(PeerException.class)
                        .hasMessage("peer " + peers.server.endpoint()
                                + ": bucket 0: block 3 of wte.weight is damaged in the host store");
            }
            assertThat(peers.service.closed.take().clean()).isFalse();
        }
    }

    @Test
    void aRefusedTransferIsNeverOpenNorClosed() throws Exception {
        try (PeerFixture peers = new PeerFixture()) {
            PeerConnection connection = peers.connect();
            assertThatThrownBy(() -> connection.openTransfer(new TransferKey(-1, "a", "b"), HERE))
                    .isInstanceOf(PeerException.class)
                    .hasMessageContaining("epoch -1 is over");
            peers.server.close();
            assertThat(peers.service.closed).isEmpty();
        }
    }

    @Test
    void closingWithABucketNotConsumedIsNotClean() throws Exception {
        try (PeerFixture peers = new PeerFixture()) {
            peers.service.put(0, 0, random(10, 1));
            try (PeerTransfer transfer = peers.open()) {
                transfer.fetch(0, landing(10));
            }
            assertThat(peers.service.closed.take()).isEqualTo(new StubService.Closed(KEY, false));
            peers.server.close();
            assertThat(peers.service.closed).isEmpty();
        }
    }

    @Test
    void misuseIsToldFromBrokenConnections() throws Exception {
        try (PeerFixture peers = new PeerFixture();
                PeerConnection connection = peers.connect();
                PeerTransfer transfer = connection.openTransfer(KEY, HERE)) {
            transfer.request(1);
            assertThatThrownBy(() -> transfer.request(1)).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> transfer.fetch(2, landing(1))).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> transfer.awaitMapped(1)).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> transfer.consumed(1)).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> connection.manifest("x")).isInstanceOf(IllegalStateException.class);
            peers.service.put(1, 0, random(10, 1));
            assertThat(transfer.fetch(1, landing(10))).isEqualTo(10);
        }
    }
}
