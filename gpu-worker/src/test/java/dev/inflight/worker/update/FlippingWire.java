package dev.inflight.worker.update;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.atomic.AtomicBoolean;

/** Passes connections on to a peer server and flips one bit of the first weights that it sends. */
final class FlippingWire implements AutoCloseable {
    private static final String ADDRESS = "127.0.0.1";
    private static final int BUFFER_BYTES = 64 << 10;

    /** In the middle of a chunk, far behind all that is said before weights. */
    private static final long FLIPPED_BYTE = 300_000;

    private final ServerSocket listener;
    private final int target;
    private final AtomicBoolean flipped = new AtomicBoolean();

    FlippingWire(String endpoint) throws IOException {
        target = Integer.parseInt(endpoint.substring(endpoint.lastIndexOf(':') + 1));
        listener = new ServerSocket(0, 16, InetAddress.ofLiteral(ADDRESS));
        Thread.ofVirtual().start(this::accept);
    }

    String endpoint() {
        return ADDRESS + ":" + listener.getLocalPort();
    }

    private void accept() {
        while (!listener.isClosed()) {
            try {
                var client = listener.accept();
                var server = new Socket(InetAddress.ofLiteral(ADDRESS), target);
                Thread.ofVirtual().start(() -> pass(client, server, false));
                Thread.ofVirtual().start(() -> pass(server, client, true));
            } catch (IOException e) {
                // The client sees its connection end, or this is the end.
            }
        }
    }

    private void pass(Socket from, Socket to, boolean weights) {
        try (from;
                to) {
            var buffer = new byte[BUFFER_BYTES];
            long passed = 0;
            for (int read = from.getInputStream().read(buffer);
                    read >= 0;
                    read = from.getInputStream().read(buffer)) {
                boolean here = passed <= FLIPPED_BYTE && FLIPPED_BYTE < passed + read;
                if (weights && here && flipped.compareAndSet(false, true)) {
                    buffer[(int) (FLIPPED_BYTE - passed)] ^= 4;
                }
                to.getOutputStream().write(buffer, 0, read);
                passed += read;
            }
        } catch (IOException e) {
            // Both sides see their connections end.
        }
    }

    @Override
    public void close() throws IOException {
        listener.close();
    }
}
