package dev.inflight.worker.transport;

import dev.inflight.worker.aeron.AeronNode;
import dev.inflight.worker.aeron.CastLostException;
import dev.inflight.worker.aeron.CastReceiver;
import dev.inflight.worker.ucx.UcxNode;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A transfer over a connection. Every wait ends with a {@link PeerException} when the peer was silent for the
 * connection's timeout, when the thread is interrupted (its interrupt status stays set), or on {@code close}.
 */
public final class PeerTransfer implements BucketTransfer {
    private static final Logger LOG = LoggerFactory.getLogger(PeerTransfer.class);

    private final FrameChannel channel;
    private final ChunkReader chunks;
    private final Duration timeout;
    private final TransferOffer offer;
    private final boolean mapped;
    private final ReentrantLock call = new ReentrantLock();
    private final Deque<Integer> requested = new ArrayDeque<>();
    private final Set<Integer> taken = ConcurrentHashMap.newKeySet();

    /** Asked for by the owner of this, but not yet of the peer, since a cast is received. */
    private final Deque<Integer> heldBack = new ArrayDeque<>();

    private @Nullable CastReceiver cast;

    PeerTransfer(FrameChannel channel, TransferOffer offer, String machine, Duration timeout) {
        this.channel = channel;
        this.chunks = new ChunkReader(channel, timeout);
        this.timeout = timeout;
        this.offer = offer;
        this.mapped = offer.machine().equals(machine);
    }

    @Override
    public boolean mapped() {
        return mapped;
    }

    @Override
    public List<SlotInfo> slots() {
        return offer.slots();
    }

    /** Has buckets that are copied sent by UCX, if the peer agrees. Before anything is requested. */
    public void useUcx(UcxNode ucx) throws PeerException {
        call.lock();
        try {
            chunks.useUcx(ucx);
        } finally {
            call.unlock();
        }
    }

    /**
     * Receives buckets from the owner's cast, if it has one and what it sends arrives. Whatever the cast does not bring
     * is sent over this connection. Before anything is requested.
     */
    public void useCast(AeronNode aeron) throws PeerException, InterruptedException {
        call.lock();
        try {
            channel.send(Op.CAST, 0);
            var where = Payload.castAt(channel.readPayload(ChunkReader.expect(channel, Op.CAST_AT, "joining a cast")));
            if (where.channel().isEmpty()) {
                LOG.info("peer {}: has no cast, TCP is used", channel.peer());
                return;
            }
            cast = aeron.receive(where);
        } catch (CastLostException e) {
            LOG.warn("peer {}: TCP is used: {}", channel.peer(), e.getMessage());
        } catch (MalformedPayloadException e) {
            throw end("its cast is malformed: " + e.getMessage());
        } finally {
            call.unlock();
        }
    }

    @Override
    public void request(int bucket) throws PeerException {
        call.lock();
        try {
            if (requested.contains(bucket) || taken.contains(bucket)) {
                throw new IllegalStateException("bucket " + bucket + " is outstanding already");
            }
            if (requested.size() == PeerResponder.MAX_OUTSTANDING) {
                throw new IllegalStateException(requested.size() + " buckets are outstanding already");
            }
            if (cast != null) {
                // One is asked for at a time: the peer answers in order, and must be free to send it once more.
                heldBack.addLast(bucket);
            } else {
                channel.send(mapped ? Op.REQUEST_SLOT : Op.REQUEST_BYTES, bucket);
            }
            requested.addLast(bucket);
        } finally {
            call.unlock();
        }
    }

    @Override
    public SlotRange awaitMapped(int bucket) throws PeerException {
        call.lock();
        try {
            if (!mapped) {
                throw new IllegalStateException("the peer is another machine; fetch the bucket instead");
            }
            Frame frame = answer(bucket, Op.READY);
            Payload.Ready ready = Payload.ready(channel.readPayload(frame));
            for (SlotInfo slot : offer.slots()) {
                if (slot.index() == ready.at().slot()
                        && ready.bytes() <= slot.bytes()
                        && ready.at().offset() <= slot.bytes() - ready.bytes()) {
                    taken.add(bucket);
                    return ready.at();
                }
            }
            throw end("bucket " + bucket + ": it lies in slot " + ready.at().slot() + " with " + ready.bytes()
                    + " bytes from " + ready.at().offset() + ", which was not offered");
        } catch (MalformedPayloadException e) {
            throw end("bucket " + bucket + ": its answer is malformed: " + e.getMessage());
        } finally {
            call.unlock();
        }
    }

    /**
     * {@inheritDoc}
     *
     * <p>Every 1 MiB chunk is checked by its CRC32C. While it runs the landing slot must stay accessible.
     *
     * @return the bucket's bytes
     * @throws PeerException also if a chunk is damaged, naming bucket and chunk, or {@code landing} is too small; what
     *     {@code landing} holds then is undefined
     */
    @Override
    public long fetch(int bucket, MemorySegment landing) throws PeerException {
        call.lock();
        try {
            if (mapped) {
                throw new IllegalStateException("the peer is this machine; await the mapped bucket instead");
            }
            var open = cast;
            long bytes = open == null ? fetchBytes(bucket, landing) : fetchCast(open, bucket, landing);
            taken.add(bucket);
            return bytes;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw end("bucket " + bucket + ": interrupted");
        } catch (MalformedPayloadException e) {
            throw end("bucket " + bucket + ": its answer is malformed: " + e.getMessage());
        } finally {
            call.unlock();
        }
    }

    private long fetchBytes(int bucket, MemorySegment landing) throws PeerException, MalformedPayloadException {
        return land(answer(bucket, Op.BUCKET), bucket, landing);
    }

    private long land(Frame frame, int bucket, MemorySegment landing) throws PeerException, MalformedPayloadException {
        long bytes = length(frame, bucket, landing);
        chunks.read("bucket " + bucket, landing.asSlice(0, bytes), landed -> {});
        return bytes;
    }

    private long length(Frame frame, int bucket, MemorySegment landing)
            throws PeerException, MalformedPayloadException {
        long bytes = Payload.length(channel.readPayload(frame));
        if (bytes > landing.byteSize()) {
            throw end("bucket " + bucket + ": it has " + bytes + " bytes but its landing slot only "
                    + landing.byteSize());
        }
        return bytes;
    }

    /** Asks for the bucket, which the peer casts as soon as it has it, unless its cast is over. */
    private long fetchCast(CastReceiver open, int bucket, MemorySegment landing)
            throws PeerException, MalformedPayloadException, InterruptedException {
        if (requested.isEmpty()) {
            request(bucket);
        }
        requireNext(bucket);
        heldBack.removeFirst();
        channel.send(Op.REQUEST_CAST, bucket);
        Frame frame = channel.next();
        if (frame.op() != Op.CASTING) {
            LOG.info("peer {}: its cast is over, TCP is used", channel.peer());
            leaveCast();
            return land(requireAnswer(frame, bucket, Op.BUCKET), bucket, landing);
        }
        long bytes = length(requireAnswer(frame, bucket, Op.CASTING), bucket, landing);
        try {
            open.read(bucket, landing.asSlice(0, bytes), timeout, channel::isClosed);
            return bytes;
        } catch (CastLostException e) {
            LOG.warn("peer {}: TCP is used: {}", channel.peer(), e.getMessage());
            requested.addFirst(bucket);
            channel.send(Op.RESEND, bucket);
            leaveCast();
            return fetchBytes(bucket, landing);
        }
    }

    private void leaveCast() throws PeerException {
        var left = cast;
        cast = null;
        if (left != null) {
            left.close();
        }
        while (!heldBack.isEmpty()) {
            channel.send(Op.REQUEST_BYTES, heldBack.removeFirst());
        }
    }

    @Override
    public void consumed(int bucket) throws PeerException {
        if (!taken.remove(bucket)) {
            throw new IllegalStateException("bucket " + bucket + " was not taken");
        }
        channel.send(Op.CONSUMED, bucket);
    }

    /**
     * Ends the transfer and its connection. If every requested bucket was consumed, the owner is told that the transfer
     * ended cleanly and has handled that on return; otherwise, and when another thread is inside a call (which then
     * fails), the connection is broken off, which tells the owner the opposite.
     */
    @Override
    public void close() {
        if (!call.tryLock()) {
            channel.close();
            return;
        }
        try {
            if (requested.isEmpty() && taken.isEmpty()) {
                sayGoodbye();
            }
        } finally {
            channel.close();
            chunks.close();
            var left = cast;
            cast = null;
            if (left != null) {
                left.close();
            }
            call.unlock();
        }
    }

    private void sayGoodbye() {
        try {
            channel.linger();
            channel.send(Op.BYE, 0);
            channel.next();
        } catch (PeerException gone) {
            // The owner closes the transfer when the connection breaks, too.
        }
    }

    private Frame answer(int bucket, Op op) throws PeerException {
        if (requested.isEmpty()) {
            request(bucket);
        }
        requireNext(bucket);
        return requireAnswer(channel.next(), bucket, op);
    }

    private void requireNext(int bucket) {
        int next = requested.getFirst();
        if (next != bucket) {
            throw new IllegalStateException("bucket " + next + " was requested before bucket " + bucket);
        }
    }

    private Frame requireAnswer(Frame frame, int bucket, Op op) throws PeerException {
        if (frame.op() != op) {
            throw ChunkReader.unexpected(channel, frame, op, "bucket " + bucket);
        }
        if (frame.tag() != bucket) {
            throw end("bucket " + bucket + ": got an answer for bucket " + frame.tag());
        }
        requested.removeFirst();
        return frame;
    }

    private PeerException end(String message) {
        channel.close();
        return channel.failure(message, null);
    }
}
