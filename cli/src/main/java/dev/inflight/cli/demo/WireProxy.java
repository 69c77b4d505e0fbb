package dev.inflight.cli.demo;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The wire between a worker host and the others: passes TCP connections on to its peer server. On demand it flips a bit of
 * what the server sends, or holds that back for a while.
 */
final class WireProxy implements AutoCloseable {
    private static final String ADDRESS = "127.0.0.1";

    /** What a server says before it sends weights is far less, and a chunk of weights far more. */
    private static final long BEFORE_WEIGHTS = 64 << 10;

    /** In the middle of the first chunk. */
    private static final long FLIPPED_BYTE = 300_000;

    private static final int BUFFER_BYTES = 64 << 10;
    private static final int FLIPPED_BIT = 0x10;

    private final ServerSocket listener;
    private final int target;
    private final Set<Socket> open = ConcurrentHashMap.newKeySet();
    private final AtomicBoolean flips = new AtomicBoolean();
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition released = lock.newCondition();
    private boolean holding;

    /** @param target port of the peer server on this machine */
    WireProxy(int target) {
        this.target = target;
        try {
            listener = new ServerSocket(0, 64, InetAddress.ofLiteral(ADDRESS));
        } catch (IOException e) {
            throw new UncheckedIOException("no free port on " + ADDRESS, e);
        }
        Thread.ofVirtual().name("wire-proxy").start(this::accept);
    }

    /** Where the server is to be reached through this. */
    String endpoint() {
        return ADDRESS + ":" + listener.getLocalPort();
    }

    /** Flips a bit of the next weights that the server sends. */
    void flipOnce() {
        flips.set(true);
    }

    /** Whether the bit has been flipped. */
    boolean hasFlipped() {
        return !flips.get();
    }

    /** Keeps back weights until {@link #release}. */
    void hold() {
        setHolding(true);
    }

    void release() {
        setHolding(false);
    }

    private void setHolding(boolean now) {
        lock.lock();
        try {
            holding = now;
            released.signalAll();
        } finally {
            lock.unlock();
        }
    }

    private void accept() {
        while (!listener.isClosed()) {
            try {
                Socket client = opened(listener.accept());
                Socket server = opened(new Socket(InetAddress.ofLiteral(ADDRESS), target));
                Thread.ofVirtual().start(() -> pass(client, server, false));
                Thread.ofVirtual().start(() -> pass(server, client, true));
            } catch (IOException e) {
                // The client sees its connection end, or this is the end.
            }
        }
    }

    private Socket opened(Socket socket) throws IOException {
        socket.setTcpNoDelay(true);
        open.add(socket);
        return socket;
    }

    private void pass(Socket from, Socket to, boolean weights) {
        try (from;
                to) {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            byte[] buffer = new byte[BUFFER_BYTES];
            long passed = 0;
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                if (weights) {
                    flip(buffer, passed, read);
                    awaitRelease(passed + read);
                }
                out.write(buffer, 0, read);
                passed += read;
            }
        } catch (IOException | InterruptedException e) {
            // Both sides see their connections end.
        } finally {
            open.remove(from);
            open.remove(to);
        }
    }

    private void flip(byte[] buffer, long passed, int read) {
        if (passed <= FLIPPED_BYTE && FLIPPED_BYTE < passed + read && flips.compareAndSet(true, false)) {
            int at = (int) (FLIPPED_BYTE - passed);
            buffer[at] = (byte) (buffer[at] ^ FLIPPED_BIT);
        }
    }

    private void awaitRelease(long passed) throws InterruptedException {
        lock.lock();
        try {
            while (holding && passed > BEFORE_WEIGHTS) {
                released.await();
            }
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void close() {
        release();
        try {
            listener.close();
            for (Socket socket : open) {
                socket.close();
            }
        } catch (IOException e) {
            throw new UncheckedIOException("closing a proxy", e);
        }
    }
}
