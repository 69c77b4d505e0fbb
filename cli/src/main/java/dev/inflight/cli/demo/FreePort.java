package dev.inflight.cli.demo;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Loopback ports for processes that must know each other's addresses before they start. They lie below the range that
 * Linux gives to connections and to whoever binds port 0, if that begins where it usually does: between the choice and
 * the binding no bystander gets one, and nobody who connects too early is connected to itself.
 */
public final class FreePort {
    private static final InetAddress LOOPBACK = InetAddress.ofLiteral("127.0.0.1");
    private static final int LOWEST = 10_000;
    private static final int ATTEMPTS = 100;

    /** Of {@code /proc/sys/net/ipv4/ip_local_port_range}, unless the machine was told otherwise. */
    private static final int EPHEMERAL_BEGIN = 32_768;

    private FreePort() {}

    /**
     * A port of 127.0.0.1 that nobody has bound.
     *
     * @throws IllegalStateException if none was found
     */
    public static int choose() {
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            int port = ThreadLocalRandom.current().nextInt(LOWEST, EPHEMERAL_BEGIN);
            if (isFree(port)) {
                return port;
            }
        }
        throw new IllegalStateException("no port of 127.0.0.1 is free: " + ATTEMPTS + " from " + LOWEST + " to "
                + (EPHEMERAL_BEGIN - 1) + " were tried");
    }

    private static boolean isFree(int port) {
        try (ServerSocket socket = new ServerSocket(port, 1, LOOPBACK)) {
            return socket.isBound();
        } catch (IOException taken) {
            return false;
        }
    }
}
