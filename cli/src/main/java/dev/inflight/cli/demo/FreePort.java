package dev.inflight.cli.demo;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Scanner;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Loopback ports for processes that must know each other's addresses before they start. They lie below the range that
 * Linux gives to connections and to whoever binds port 0: between the choice and the binding no bystander gets one, and
 * nobody who connects too early is connected to itself.
 */
public final class FreePort {
    private static final Path EPHEMERAL = Path.of("/proc/sys/net/ipv4/ip_local_port_range");
    private static final InetAddress LOOPBACK = InetAddress.ofLiteral("127.0.0.1");
    private static final int LOWEST = 10_000;
    private static final int ATTEMPTS = 100;

    /** Where the range begins unless the host was told otherwise. */
    private static final int USUAL_END = 32_768;

    private FreePort() {}

    /**
     * A port of 127.0.0.1 that nobody has bound.
     *
     * @throws UncheckedIOException if none was found
     */
    public static int choose() {
        int end = Math.max(ephemeralStart(), LOWEST + ATTEMPTS);
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            int port = ThreadLocalRandom.current().nextInt(LOWEST, end);
            if (isFree(port)) {
                return port;
            }
        }
        throw new UncheckedIOException(new IOException(
                "no free port on 127.0.0.1 among " + ATTEMPTS + " from " + LOWEST + " to " + (end - 1)));
    }

    private static boolean isFree(int port) {
        try (ServerSocket socket = new ServerSocket(port, 1, LOOPBACK)) {
            return socket.isBound();
        } catch (IOException taken) {
            return false;
        }
    }

    private static int ephemeralStart() {
        try (Scanner range = new Scanner(EPHEMERAL, StandardCharsets.US_ASCII)) {
            return range.hasNextInt() ? range.nextInt() : USUAL_END;
        } catch (IOException notLinux) {
            return USUAL_END;
        }
    }
}
