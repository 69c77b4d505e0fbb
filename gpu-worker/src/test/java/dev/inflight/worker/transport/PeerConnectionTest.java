package dev.inflight.worker.transport;

import static dev.inflight.worker.transport.PeerFixture.IMPATIENT;
import static dev.inflight.worker.transport.PeerFixture.PATIENT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.inflight.protocol.link.EngineShare;
import dev.inflight.protocol.link.SliceRule;
import dev.inflight.protocol.link.TensorParallel;
import dev.inflight.protocol.link.WantRule;
import dev.inflight.worker.nccl.NcclId;
import dev.inflight.worker.nccl.RankArrival;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class PeerConnectionTest {
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 1 << 20, (5 << 20) / 2 + 3})
    void aManifestOfAnySizeArrivesWhole(int bytes) throws Exception {
        try (PeerFixture peers = new PeerFixture();
                PeerConnection connection = peers.connect()) {
            byte[] manifest = new byte[bytes];
            new Random(bytes).nextBytes(manifest);
            peers.service.documents.put("abc", manifest);
            assertThat(connection.manifest("abc")).isEqualTo(manifest);
        }
    }

    @Test
    void aConnectionOutlivesADocumentThatIsNotThere() throws Exception {
        try (PeerFixture peers = new PeerFixture();
                PeerConnection connection = peers.connect()) {
            peers.service.documents.put("publish-1/4", new byte[] {1, 2, 3});
            assertThat(connection.host()).isEqualTo("node-a");
            assertThatThrownBy(() -> connection.blockSums("publish-1", 5))
                    .isInstanceOf(PeerException.class)
                    .hasMessage("peer " + peers.server.endpoint()
                            + ": block sums of publish-1 shard 5: no document publish-1/5");
            assertThat(connection.blockSums("publish-1", 4)).containsExactly(1, 2, 3);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aRankIsToldTheIdOfItsGroup(boolean holdsOne) throws Exception {
        try (PeerFixture peers = new PeerFixture();
                PeerConnection connection = peers.connect()) {
            byte[] bytes = new byte[NcclId.BYTES];
            new Random(1).nextBytes(bytes);
            NcclId id = NcclId.of(bytes);
            peers.service.newId = holdsOne ? NcclId.of(new byte[NcclId.BYTES]) : id;
            var arrival = new RankArrival(Long.MAX_VALUE, 4096, 4095, holdsOne ? id : null);
            assertThat(connection.meet(arrival)).isEqualTo(id);
            assertThat(peers.service.arrived).containsExactly(arrival);
        }
    }

    @Test
    void aRankWhoseGroupDoesNotComeTogetherIsToldWhy() throws Exception {
        try (PeerFixture peers = new PeerFixture();
                PeerConnection connection = peers.connect()) {
            assertThatThrownBy(() -> connection.meet(new RankArrival(-1, 2, 1, null)))
                    .isInstanceOf(PeerException.class)
                    .hasMessage(
                            "peer " + peers.server.endpoint() + ": meeting the ranks of epoch -1: epoch -1 is over");
        }
    }

    @Test
    void digestsOfSlicesAreThoseOfTheShareThatWasAskedFor() throws Exception {
        EngineShare share = new EngineShare(
                List.of(new WantRule("a", false), new WantRule("*", true)),
                new TensorParallel(3, 4, List.of(new SliceRule("*.o_proj.weight", 1), new SliceRule("naïve", 0))));
        try (PeerFixture peers = new PeerFixture();
                PeerConnection connection = peers.connect()) {
            peers.service.documents.put("digest/2/4096/" + share + "/1", new byte[] {4, 5});
            assertThat(connection.sliceDigests("digest/2/4096", share, 1)).containsExactly(4, 5);
            assertThatThrownBy(() -> connection.sliceDigests("digest/2/4096", EngineShare.ALL, 1))
                    .isInstanceOf(PeerException.class)
                    .hasMessageContaining("slice digests of digest/2/4096 shard 1: no document");
        }
    }

    @Test
    void aRefusedConnectionNamesTheEndpoint() throws Exception {
        String endpoint;
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            endpoint = "127.0.0.1:" + taken.getLocalPort();
        }
        assertThatThrownBy(() -> PeerConnection.connect(endpoint, PATIENT))
                .isInstanceOf(PeerException.class)
                .hasMessageStartingWith("peer " + endpoint + ": cannot connect");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "localhost", "localhost:", ":80", "localhost:0", "localhost:70000", "[::1]", "a:b:c"})
    void whatIsNoEndpointIsRefused(String endpoint) {
        assertThatThrownBy(() -> PeerConnection.connect(endpoint, PATIENT))
                .isInstanceOf(PeerException.class)
                .hasMessageContaining("peer " + endpoint);
    }

    @Test
    void aServerThatAcceptsButNeverAnswersIsGivenUp() throws Exception {
        try (ServerSocket mute = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            String endpoint = "127.0.0.1:" + mute.getLocalPort();
            assertThatThrownBy(() -> PeerConnection.connect(endpoint, IMPATIENT))
                    .isInstanceOf(PeerException.class)
                    .hasMessage("peer " + endpoint + ": sent nothing for 200 ms");
        }
    }

    @Test
    void aServerThatFallsSilentIsGivenUp() throws Exception {
        try (ServerSocket mute = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Thread.ofVirtual().start(() -> {
                try {
                    new RawPeer(mute.accept()).write(RawPeer.greeting()).readAll();
                } catch (java.io.IOException closed) {
                    // The client sees it.
                }
            });
            try (PeerConnection connection = PeerConnection.connect("127.0.0.1:" + mute.getLocalPort(), IMPATIENT)) {
                assertThatThrownBy(() -> connection.manifest("abc"))
                        .isInstanceOf(PeerException.class)
                        .hasMessageContaining("sent nothing for 200 ms");
            }
        }
    }

    @Test
    void anotherProtocolIsRecognised() throws Exception {
        try (ServerSocket web = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Thread.ofVirtual().start(() -> {
                try {
                    new RawPeer(web.accept())
                            .write("HTTP/1.1 400 Bad Request\r\n\r\n".getBytes())
                            .readAll();
                } catch (java.io.IOException closed) {
                    // The client sees it.
                }
            });
            assertThatThrownBy(() -> PeerConnection.connect("127.0.0.1:" + web.getLocalPort(), PATIENT))
                    .isInstanceOf(PeerException.class)
                    .hasMessageContaining("does not speak this protocol");
        }
    }

    @Test
    void aWildcardAddressIsRefusedBecauseOtherHostsAreToldIt() {
        assertThatThrownBy(() -> PeerServer.start(new InetSocketAddress("0.0.0.0", 0), "node-a", new StubService()))
                .isInstanceOf(java.io.IOException.class)
                .hasMessageContaining("0.0.0.0:0");
    }
}
