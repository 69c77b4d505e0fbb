package dev.inflight.worker.update;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.inflight.worker.device.Pinning;
import dev.inflight.worker.device.ShmNames;
import dev.inflight.worker.nccl.NcclId;
import dev.inflight.worker.nccl.RankArrival;
import dev.inflight.worker.nccl.Rendezvous;
import dev.inflight.worker.store.HostStore;
import dev.inflight.worker.transport.PeerServer;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Ranks that come to a rendezvous through the peer server. */
@Timeout(60)
class MeetingTest {
    private static final Duration PATIENCE = Duration.ofSeconds(40);
    private static final NcclId ID = NcclId.of(new byte[NcclId.BYTES]);

    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final HostStore store =
            new HostStore("a", new ShmNames(Path.of("/dev/shm"), "test-a"), Pinning.NONE, 1, PATIENCE, PATIENCE);
    private @Nullable PeerServer server;

    @AfterEach
    void stop() {
        threads.shutdownNow();
        if (server != null) {
            server.close();
        }
        store.close();
    }

    @Test
    void allAreToldTheSame() throws Exception {
        start(new Rendezvous(() -> ID, PATIENCE));
        var first = meet(0);
        var second = meet(2);
        assertThat(meet(1).get()).isEqualTo(ID);
        assertThat(first.get()).isEqualTo(ID);
        assertThat(second.get()).isEqualTo(ID);
    }

    @Test
    void theOthersAreToldAtOnceWhenAnUpdateIsCancelledOnOne() throws Exception {
        var rendezvous = new Rendezvous(() -> ID, PATIENCE);
        start(rendezvous);
        var cancelled = meet(0);
        var stays = meet(1);
        // The third rank never comes; by then both others wait.
        while (!rendezvous.isHere(7, 0) || !rendezvous.isHere(7, 1)) {
            Thread.onSpinWait();
        }
        assertThat(cancelled.cancel(true)).isTrue();
        assertThatThrownBy(stays::get)
                .isInstanceOf(ExecutionException.class)
                .cause()
                .isInstanceOf(UpdateException.class)
                .hasMessageContaining("rank 0 has gone");
    }

    @Test
    void aHostWithoutNcclRefuses() throws Exception {
        start(null);
        assertThatThrownBy(meet(1)::get).hasMessageContaining("this worker host has no NCCL");
    }

    private void start(@Nullable Rendezvous rendezvous) throws Exception {
        var hub = new TransferHub("a", PATIENCE);
        server = PeerServer.start(
                new InetSocketAddress("127.0.0.1", 0),
                "a",
                new HostPeerService(store.forPeers(), hub, new JoinSettings("", 2, PATIENCE), rendezvous),
                PATIENCE);
    }

    private Future<NcclId> meet(int rank) {
        var peers = new Peers("127.0.0.1:1", new TransferHub("b", PATIENCE), "b", PATIENCE);
        return threads.submit(() -> peers.meet(server.endpoint(), new RankArrival(7, 3, rank, null)));
    }
}
