package dev.inflight.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import org.junit.jupiter.api.Test;

class WireProxyTest {
    private static final int WEIGHTS = 1 << 20;

    @Test
    void flipsOneBitOnceAndPassesEverythingElse() throws Exception {
        try (ServerSocket server = server();
                WireProxy proxy = new WireProxy(server.getLocalPort())) {
            proxy.flipOnce();

            assertThat(onesIn(read(proxy, WEIGHTS))).isOne();
            assertThat(proxy.hasFlipped()).isTrue();
            assertThat(onesIn(read(proxy, WEIGHTS))).isZero();
        }
    }

    @Test
    void holdsWeightsBackButNotWhatIsSaidBefore() throws Exception {
        try (ServerSocket server = server();
                WireProxy proxy = new WireProxy(server.getLocalPort())) {
            proxy.hold();
            try (Socket client = connect(proxy)) {
                client.setSoTimeout(200);
                InputStream in = client.getInputStream();
                assertThatThrownBy(() -> in.readNBytes(WEIGHTS)).isInstanceOf(SocketTimeoutException.class);
                proxy.release();
                client.setSoTimeout(10_000);
                assertThat(in.readAllBytes()).hasSizeGreaterThanOrEqualTo(WEIGHTS - (64 << 10));
            }
        }
    }

    /** Sends zeros to whoever connects. */
    private static ServerSocket server() throws IOException {
        ServerSocket server = new ServerSocket(0, 8, InetAddress.ofLiteral("127.0.0.1"));
        Thread.ofVirtual().start(() -> {
            while (!server.isClosed()) {
                try (Socket client = server.accept()) {
                    client.getOutputStream().write(new byte[WEIGHTS]);
                } catch (IOException e) {
                    // Closed.
                }
            }
        });
        return server;
    }

    private static Socket connect(WireProxy proxy) throws IOException {
        String endpoint = proxy.endpoint();
        int port = Integer.parseInt(endpoint.substring(endpoint.indexOf(':') + 1));
        return new Socket(InetAddress.ofLiteral("127.0.0.1"), port);
    }

    private static byte[] read(WireProxy proxy, int bytes) throws IOException {
        try (Socket client = connect(proxy)) {
            client.setSoTimeout(10_000);
            return client.getInputStream().readNBytes(bytes);
        }
    }

    private static int onesIn(byte[] bytes) {
        int ones = 0;
        for (byte one : bytes) {
            ones += Integer.bitCount(one & 0xff);
        }
        return ones;
    }
}
