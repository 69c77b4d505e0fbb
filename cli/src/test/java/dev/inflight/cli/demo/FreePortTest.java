package dev.inflight.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class FreePortTest {
    private static final InetAddress LOOPBACK = InetAddress.ofLiteral("127.0.0.1");

    @Test
    void canBeBoundAndIsNotOneOfThoseGivenToWhoeverAsks() throws IOException {
        List<ServerSocket> bound = new ArrayList<>();
        try {
            for (int count = 0; count < 20; count++) {
                bound.add(new ServerSocket(FreePort.choose(), 1, LOOPBACK));
            }
            ServerSocket asked = new ServerSocket(0, 1, LOOPBACK);
            bound.add(asked);
            assertThat(bound)
                    .allSatisfy(socket -> assertThat(socket.getLocalPort()).isLessThanOrEqualTo(asked.getLocalPort()));
        } finally {
            for (ServerSocket socket : bound) {
                socket.close();
            }
        }
    }
}
