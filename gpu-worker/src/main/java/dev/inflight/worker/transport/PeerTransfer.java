package dev.inflight.worker.transport;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A transfer over a connection. Every wait ends with a {@link PeerException} when the peer was silent for the
 * connection's timeout, when the thread is interrupted (its interrupt status stays set), or on {@code close}.
 */
public final class PeerTransfer implements BucketTransfer {
    private final FrameChannel channel;
    private final TransferOffer offer;
    private final boolean mapped;
    private final ReentrantLock call = new ReentrantLock();
    private final Deque<Integer> requested = new ArrayDeque<>();
    private final Set<Integer> taken = ConcurrentHashMap.newKeySet();

    PeerTransfer(FrameChannel channel, TransferOffer offer, String machine) {
        this.channel = channel;
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
            channel.send(mapped ? Op.REQUEST_SLOT : Op.REQUEST_BYTES, bucket);
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
            Frame frame = answer(bucket, Op.BUCKET);
            long bytes = Payload.length(channel.readPayload(frame));
            if (bytes > landing.byteSize()) {
                throw end("bucket " + bucket + ": it has " + bytes + " bytes but its landing slot only "
                        + landing.byteSize());
            }
            land(bucket, bytes, landing);
            taken.add(bucket);
            return bytes;
        } catch (MalformedPayloadException e) {
            throw end("bucket " + bucket + ": its answer is malformed: " + e.getMessage());
        } finally {
            call.unlock();
        }
    }

    private void land(int bucket, long bytes, MemorySegment landing) throws PeerException {
        boolean landed = false;
        try {
            int chunk = 0;
            for (long at = 0; at < bytes; at += Op.CHUNK_BYTES) {
                ByteBuffer part = landing.asSlice(at, Math.min(Op.CHUNK_BYTES, bytes - at))
                        .asByteBuffer();
                ChunkReader.read(channel, "bucket " + bucket, chunk++, part);
            }
            landed = true;
        } finally {
            if (!landed) {
                channel.close();
            }
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
        int next = requested.getFirst();
        if (next != bucket) {
            throw new IllegalStateException("bucket " + next + " was requested before bucket " + bucket);
        }
        Frame frame = ChunkReader.expect(channel, op, "bucket " + bucket);
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
