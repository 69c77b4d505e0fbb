package dev.inflight.worker.transport;

import dev.inflight.worker.ucx.UcxException;
import dev.inflight.worker.ucx.UcxInbox;
import dev.inflight.worker.ucx.UcxNode;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The reading half of all answers: the frame that announces, then chunks in order, in frames or, if the server agreed,
 * by UCX. For one thread.
 */
final class ChunkReader implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ChunkReader.class);

    private final FrameChannel channel;
    private final Duration patience;
    private @Nullable UcxInbox inbox;

    /** @param patience longest wait for a chunk that UCX has sent */
    ChunkReader(FrameChannel channel, Duration patience) {
        this.channel = channel;
        this.patience = patience;
    }

    /**
     * Asks the server to send chunks by UCX from now on. If it does not, or what it sends does not arrive, everything
     * goes on over TCP, and the log says why.
     */
    void useUcx(UcxNode ucx) throws PeerException {
        var fresh = ucx.inbox();
        boolean works = false;
        try {
            fresh.expect(Integer.BYTES);
            String refusal = ask(new Payload.UcxQuery(fresh.firstTag(), ByteBuffer.wrap(ucx.address())));
            if (refusal.isEmpty()) {
                fresh.take(patience);
                works = true;
                inbox = fresh;
            } else {
                LOG.info("peer {}: TCP is used: {}", channel.peer(), refusal);
            }
        } catch (UcxException e) {
            LOG.warn("peer {}: TCP is used, UCX does not come through: {}", channel.peer(), e.getMessage());
            ask(new Payload.UcxQuery(0, ByteBuffer.allocate(0)));
        } catch (InterruptedException e) {
            throw interrupted(e);
        } finally {
            if (!works) {
                fresh.close();
            }
        }
    }

    private String ask(Payload.UcxQuery query) throws PeerException {
        channel.send(Op.UCX, 0, Payload.ucxQuery(query));
        return Payload.message(channel.readPayload(expect(channel, Op.UCX_ANSWER, "going over to UCX")));
    }

    /** Waits for a frame of this kind; the connection is closed if another one comes, except for a refused document. */
    static Frame expect(FrameChannel channel, Op op, String what) throws PeerException {
        Frame frame = channel.next();
        if (frame.op() == op) {
            return frame;
        }
        throw unexpected(channel, frame, op, what);
    }

    static PeerException unexpected(FrameChannel channel, Frame frame, Op op, String what) throws PeerException {
        if (frame.op() == Op.FAILED) {
            String message = Payload.message(channel.readPayload(frame));
            if (op != Op.DOCUMENT) {
                channel.close();
            }
            return channel.failure(what + ": " + message, null);
        }
        channel.close();
        return channel.failure(what + ": expected a " + op + " frame but got " + frame.op(), null);
    }

    /** Reads one chunk into all of {@code target}; the connection is closed if it is not the right one or is damaged. */
    static void read(FrameChannel channel, String what, int chunk, ByteBuffer target) throws PeerException {
        readInto(channel, expect(channel, Op.CHUNK, what + " chunk " + chunk), what, chunk, target);
    }

    private static void readInto(FrameChannel channel, Frame frame, String what, int chunk, ByteBuffer target)
            throws PeerException {
        int bytes = target.remaining();
        requireChunk(channel, what, chunk, bytes, frame.tag(), frame.length());
        if (!channel.readPayload(frame, target)) {
            channel.close();
            var damaged = channel.failure(
                    what + " chunk " + chunk + ": the CRC32C does not match, the bytes changed on their way", null);
            throw new DamagedChunkException(String.valueOf(damaged.getMessage()), (long) chunk * Op.CHUNK_BYTES, bytes);
        }
    }

    private static void requireChunk(
            FrameChannel channel, String what, int chunk, int bytes, int gotChunk, int gotBytes) throws PeerException {
        if (gotChunk != chunk || gotBytes != bytes) {
            channel.close();
            throw channel.failure(
                    "%s chunk %d: expected %d bytes but got chunk %d of %d bytes"
                            .formatted(what, chunk, bytes, gotChunk, gotBytes),
                    null);
        }
    }

    /**
     * Reads chunks until {@code target} is full. The connection is closed if that fails.
     *
     * @param landed told how many more bytes are there
     */
    void read(String what, MemorySegment target, LongConsumer landed) throws PeerException {
        boolean done = false;
        try {
            int expected = 0;
            int chunks = Math.toIntExact((target.byteSize() + Op.CHUNK_BYTES - 1) / Op.CHUNK_BYTES);
            for (int chunk = 0; chunk < chunks; chunk++) {
                for (var open = inbox; open != null && expected < chunks && open.room() > 0; expected++) {
                    open.expect((int) slice(target, expected).byteSize());
                }
                var into = slice(target, chunk);
                readOne(what, chunk, into);
                landed.accept(into.byteSize());
            }
            done = true;
        } finally {
            if (!done) {
                channel.close();
            }
        }
    }

    private void readOne(String what, int chunk, MemorySegment into) throws PeerException {
        var open = inbox;
        Frame frame = channel.next();
        if (frame.op() == Op.CHUNK_SENT && open != null) {
            takeSent(open, frame, what, chunk, into);
        } else if (frame.op() == Op.CHUNK) {
            // The server has given UCX up for good.
            close();
            readInto(channel, frame, what, chunk, into.asByteBuffer());
        } else {
            throw unexpected(channel, frame, Op.CHUNK, what + " chunk " + chunk);
        }
    }

    private void takeSent(UcxInbox open, Frame frame, String what, int chunk, MemorySegment into) throws PeerException {
        try {
            int bytes = Payload.sent(channel.readPayload(frame));
            requireChunk(channel, what, chunk, (int) into.byteSize(), frame.tag(), bytes);
            into.copyFrom(open.take(patience));
        } catch (MalformedPayloadException e) {
            throw channel.failure(what + " chunk " + chunk + ": it is malformed: " + e.getMessage(), e);
        } catch (UcxException e) {
            throw channel.failure(what + " chunk " + chunk + ": " + e.getMessage(), e);
        } catch (InterruptedException e) {
            throw interrupted(e);
        }
    }

    private PeerException interrupted(InterruptedException e) {
        Thread.currentThread().interrupt();
        channel.close();
        return channel.failure("interrupted", e);
    }

    private static MemorySegment slice(MemorySegment target, int chunk) {
        long at = (long) chunk * Op.CHUNK_BYTES;
        return target.asSlice(at, Math.min(Op.CHUNK_BYTES, target.byteSize() - at));
    }

    /** Expects nothing by UCX any more. */
    @Override
    public void close() {
        var open = inbox;
        inbox = null;
        if (open != null) {
            open.close();
        }
    }
}
