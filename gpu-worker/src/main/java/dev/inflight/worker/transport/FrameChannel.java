package dev.inflight.worker.transport;

import java.io.IOException;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Frames over a blocking socket, as the package describes them. One thread reads; any thread writes or closes. Every
 * failure is a {@link PeerException} that names the peer; a failed read or write closes the channel.
 */
final class FrameChannel implements AutoCloseable {
    static final int HEADER_BYTES = 16;

    private static final int CHECKED_HEADER_BYTES = 12;
    private static final long MAX_PING_INTERVAL_MS = 1000;

    private final SocketChannel socket;
    private final String peer;
    private final Duration idleTimeout;
    private final Watchdog watchdog;
    private final ReentrantLock writeLock = new ReentrantLock();
    private final AtomicLong framesSent = new AtomicLong();
    private final ByteBuffer readHeader = ByteBuffer.allocateDirect(HEADER_BYTES);
    private final ByteBuffer writeHeader = ByteBuffer.allocateDirect(HEADER_BYTES);
    private final CRC32C readCrc = new CRC32C();
    private final CRC32C writeCrc = new CRC32C();
    private volatile long longestWaitNanos = Long.MAX_VALUE;
    private volatile BooleanSupplier heldUp = () -> false;
    private volatile @Nullable String closeReason;
    private volatile @Nullable Thread heartbeat;

    /** Takes over a connected, blocking socket. */
    FrameChannel(SocketChannel socket, String peer, Duration idleTimeout) throws IOException {
        this.socket = socket;
        this.peer = peer;
        this.idleTimeout = idleTimeout;
        socket.setOption(StandardSocketOptions.TCP_NODELAY, true);
        socket.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
        this.watchdog = new Watchdog(peer, idleTimeout, this::close);
        watchdog.start();
    }

    String peer() {
        return peer;
    }

    /** Exchanges greetings and starts the heartbeat that the other side's idle timeout asks for. */
    String greet(String name) throws PeerException {
        write(Greeting.encode(name, idleTimeout));
        ByteBuffer fixed = ByteBuffer.allocate(Greeting.FIXED_BYTES);
        readFully(fixed);
        Greeting.Header header;
        try {
            header = Greeting.decode(fixed.flip());
        } catch (MalformedPayloadException e) {
            throw failure(String.valueOf(e.getMessage()), null);
        }
        ByteBuffer otherName = ByteBuffer.allocate(header.nameBytes());
        readFully(otherName);
        long intervalMs = Math.clamp(header.idleTimeoutMs() / 4, 1, MAX_PING_INTERVAL_MS);
        heartbeat = Thread.ofVirtual().name("peer-heartbeat " + peer).start(() -> beat(intervalMs));
        return Payload.message(otherName.flip());
    }

    boolean isClosed() {
        return closeReason != null;
    }

    /**
     * From now on a peer that sends nothing but pings for this long while something is waited for is given up, and one that
     * has this side wait for its turn if {@link #onHeldUp} says so.
     */
    void limitWaits(Duration longest) {
        longestWaitNanos = longest.toNanos();
    }

    /** @param onWait as in {@link SourcePace} */
    void onHeldUp(BooleanSupplier onWait) {
        heldUp = onWait;
    }

    /** Waits for the next frame that says more than that the peer is alive. Its payload must be read next. */
    Frame next() throws PeerException {
        long begin = System.nanoTime();
        while (true) {
            readFully(readHeader.clear());
            readHeader.flip();
            Op op = Op.of(readHeader.get(0));
            int length = readHeader.getInt(4);
            if (op == null || (readHeader.getInt(0) & 0xFFFFFF) != 0) {
                throw failure("sent a frame of unknown kind 0x%08x".formatted(readHeader.getInt(0)), null);
            }
            if (length < 0 || length > op.maxLength()) {
                throw failure(
                        "sent a %s frame of %d bytes; at most %d are allowed"
                                .formatted(op, Integer.toUnsignedLong(length), op.maxLength()),
                        null);
            }
            Frame frame = new Frame(op, length, readHeader.getInt(8));
            if (op != Op.PING && op != Op.WAIT) {
                return frame;
            }
            readPayload(frame);
            if (op == Op.WAIT && heldUp.getAsBoolean()) {
                begin = System.nanoTime();
            }
            if (System.nanoTime() - begin > longestWaitNanos) {
                close("did not answer for " + Duration.ofNanos(longestWaitNanos).toMillis()
                        + " ms, though it is alive");
                throw failure(String.valueOf(closeReason), null);
            }
        }
    }

    /** Reads the payload of a control frame. */
    ByteBuffer readPayload(Frame frame) throws PeerException {
        ByteBuffer payload = ByteBuffer.allocate(frame.length());
        if (!readPayload(frame, payload)) {
            throw failure("sent a %s frame whose CRC32C does not match".formatted(frame.op()), null);
        }
        return payload.flip();
    }

    /** Fills {@code target}, which has exactly the frame's length remaining; false if the checksum differs. */
    boolean readPayload(Frame frame, ByteBuffer target) throws PeerException {
        int start = target.position();
        readFully(target);
        readCrc.reset();
        readCrc.update(readHeader.position(0).limit(CHECKED_HEADER_BYTES));
        readCrc.update(target.flip().position(start));
        readHeader.clear();
        return (int) readCrc.getValue() == readHeader.getInt(CHECKED_HEADER_BYTES);
    }

    void send(Op op, int tag) throws PeerException {
        send(op, tag, ByteBuffer.allocate(0));
    }

    /** Sends one frame; {@code payload}'s position moves to its limit. */
    void send(Op op, int tag, ByteBuffer payload) throws PeerException {
        writeLock.lock();
        try {
            sendLocked(op, tag, payload);
        } finally {
            writeLock.unlock();
        }
    }

    private void sendLocked(Op op, int tag, ByteBuffer payload) throws PeerException {
        if (payload.remaining() > op.maxLength()) {
            throw new IllegalArgumentException("a " + op + " frame of " + payload.remaining() + " bytes");
        }
        writeHeader.clear();
        writeHeader.putInt(op.code() << 24).putInt(payload.remaining()).putInt(tag);
        writeCrc.reset();
        writeCrc.update(writeHeader.flip());
        writeCrc.update(payload.duplicate());
        writeHeader.limit(HEADER_BYTES);
        writeHeader.putInt((int) writeCrc.getValue()).flip();
        write(writeHeader, payload);
        framesSent.incrementAndGet();
    }

    /** Closes the connection after one idle timeout, whatever the other side does until then. */
    void linger() {
        watchdog.linger();
    }

    /**
     * Sends a frame after which nothing follows. The caller goes on reading, so that the closing of the socket does not
     * overtake the frame; one idle timeout later the connection is closed whatever the other side does.
     */
    void sendLast(Op op, int tag, ByteBuffer payload) throws PeerException {
        linger();
        send(op, tag, payload);
        try {
            socket.shutdownOutput();
        } catch (IOException e) {
            throw broken(e);
        }
    }

    /** A failure of this connection, with the peer's name before the message. */
    PeerException failure(String message, @Nullable Throwable cause) {
        String text = "peer " + peer + ": " + message;
        return cause == null ? new PeerException(text) : new PeerException(text, cause);
    }

    @Override
    public void close() {
        close("the connection was closed on this side");
    }

    private void close(String reason) {
        if (closeReason == null) {
            closeReason = reason;
        }
        watchdog.stop();
        Thread beating = heartbeat;
        if (beating != null) {
            beating.interrupt();
        }
        try {
            socket.close();
        } catch (IOException alreadyBroken) {
            // Closing is all that was asked for, and the descriptor is released whatever the error.
        }
    }

    private void beat(long intervalMs) {
        try {
            long seen = framesSent.get();
            while (true) {
                Thread.sleep(intervalMs);
                // A held lock means that a frame is on its way, which says as much as a ping.
                if (framesSent.get() == seen && writeLock.tryLock()) {
                    try {
                        sendLocked(Op.PING, 0, ByteBuffer.allocate(0));
                    } finally {
                        writeLock.unlock();
                    }
                }
                seen = framesSent.get();
            }
        } catch (InterruptedException | PeerException closed) {
            // Whoever reads finds out by itself.
        }
    }

    private void readFully(ByteBuffer target) throws PeerException {
        try {
            while (target.hasRemaining()) {
                watchdog.reading();
                int count;
                try {
                    count = socket.read(target);
                } finally {
                    watchdog.reading();
                }
                if (count < 0) {
                    close();
                    throw failure("closed the connection", null);
                }
            }
        } catch (PeerException e) {
            throw e;
        } catch (IOException e) {
            throw broken(e);
        }
    }

    private void write(ByteBuffer... buffers) throws PeerException {
        try {
            ByteBuffer last = buffers[buffers.length - 1];
            while (buffers[0].hasRemaining() || last.hasRemaining()) {
                watchdog.writing();
                try {
                    socket.write(buffers);
                } finally {
                    watchdog.writing();
                }
            }
        } catch (IOException e) {
            throw broken(e);
        }
    }

    /** Part of a frame may have passed, so nothing can follow: closes, and says why that came to be. */
    private PeerException broken(IOException e) {
        if (e instanceof ClosedByInterruptException) {
            close("interrupted");
        } else {
            close("the connection broke: " + e.getMessage());
        }
        return failure(String.valueOf(closeReason), e);
    }
}
