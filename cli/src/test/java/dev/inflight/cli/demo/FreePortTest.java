package dev.inflight.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class FreePortTest {
    @Test
    void canBeBoundAndIsNotOneOfThoseUsuallyGivenToWhoeverAsks() throws IOException {
        List<ServerSocket> bound = new ArrayList<>();
        Set<Integer> ports = new HashSet<>();
        try {
            for (int count = 0; count < 20; count++) {
                int port = FreePort.choose();
                ports.add(port);
                bound.add(new ServerSocket(port, 1, InetAddress.ofLiteral("127.0.0.1")));
            }
        } finally {
            for (ServerSocket socket : bound) {
                socket.close();
            }
        }
        assertThat(ports).hasSize(20).allSatisfy(port -> assertThat(port).isBetween(10_000, 32_767));
    }
}
