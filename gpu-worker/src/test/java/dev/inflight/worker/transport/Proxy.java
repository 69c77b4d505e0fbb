package dev.inflight.worker.transport;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.CountDownLatch;

/** A wire between a client and a server that a test can damage or cut. Carries one connection. */
final class Proxy implements AutoCloseable {
    private static final int BUFFER_BYTES = 1 << 16;
    private static final int PING_BYTES = FrameChannel.HEADER_BYTES;

    /** A run of this byte tells the damaging proxy where to strike. */
    static final byte MARK = 0x7E;

    private static final int MARK_RUN = 64;

    private final ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
    private final InetSocketAddress target;
    private final long cutAfterBytes;
    private final CountDownLatch pingsBack = new CountDownLatch(10);
    private final CountDownLatch pingsForth = new CountDownLatch(10);
    private volatile boolean damage;
    private volatile Socket client;
    private volatile Socket server;

    /** Cuts both directions after so many bytes from the server. */
    Proxy(String target, long cutAfterBytes) throws IOException {
        this.target = Endpoint.parse(target);
        this.cutAfterBytes = cutAfterBytes;
        Thread.ofVirtual().start(this::connect);
    }

    Proxy(String target) throws IOException {
        this(target, Long.MAX_VALUE);
    }

    String endpoint() {
        return "127.0.0.1:" + listener.getLocalPort();
    }

    /** From now on flips one bit in the first marked place that passes towards the client. */
    void damageMark() {
        damage = true;
    }

    void awaitPingsFromServer() throws InterruptedException {
        pingsBack.await();
    }

    void awaitPingsFromClient() throws InterruptedException {
        pingsForth.await();
    }

    private void connect() {
        try {
            client = listener.accept();
            server = new Socket(target.getAddress(), target.getPort());
            Thread.ofVirtual().start(() -> forward(client, server, pingsForth, Long.MAX_VALUE));
            Thread.ofVirtual().start(() -> forward(server, client, pingsBack, cutAfterBytes));
        } catch (IOException e) {
            close();
        }
    }

    private void forward(Socket from, Socket to, CountDownLatch pings, long limit) {
        byte[] buffer = new byte[BUFFER_BYTES];
        long left = limit;
        try {
            while (left > 0) {
                int count = from.getInputStream().read(buffer, 0, (int) Math.min(buffer.length, left));
                if (count < 0) {
                    break;
                }
                if (count == PING_BYTES && buffer[0] == Op.PING.code()) {
                    pings.countDown();
                }
                if (to == client && damage) {
                    damage(buffer, count);
                }
                to.getOutputStream().write(buffer, 0, count);
                left -= count;
            }
        } catch (IOException gone) {
            // Cut below.
        }
        close();
    }

    private void damage(byte[] buffer, int count) {
        int run = 0;
        for (int i = 0; i < count; i++) {
            run = buffer[i] == MARK ? run + 1 : 0;
            if (run == MARK_RUN) {
                buffer[i] ^= 0x10;
                damage = false;
                return;
            }
        }
    }

    @Override
    public void close() {
        try {
            listener.close();
            if (client != null) {
                client.close();
            }
            if (server != null) {
                server.close();
            }
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
