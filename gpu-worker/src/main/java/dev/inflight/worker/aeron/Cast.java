package dev.inflight.worker.aeron;

import io.aeron.ChannelUri;
import io.aeron.ChannelUriStringBuilder;
import io.aeron.CommonContext;
import io.aeron.ExclusivePublication;
import io.aeron.Publication;
import io.aeron.logbuffer.BufferClaim;
import io.aeron.status.ChannelEndpointStatus;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.time.Duration;

/** The sending end: sends buckets to everybody who receives. One thread at a time sends; any may ask or close. */
public final class Cast implements AutoCloseable {
    static final int HEADER_BYTES = 16;
    static final int OFFSET_AT = 8;

    private final ExclusivePublication publication;
    private final CastOffer offer;
    private final BufferClaim claim = new BufferClaim();
    private final long joiningNanos;
    private final Uses uses;
    private volatile boolean asked;
    private volatile boolean over;
    private volatile boolean begun;

    private Cast(ExclusivePublication publication, CastOffer offer, Duration joining, Uses uses) {
        this.uses = uses;
        this.joiningNanos = joining.toNanos();
        this.publication = publication;
        this.offer = offer;
    }

    static Cast open(ExclusivePublication publication, AeronSettings settings, Uses uses) throws InterruptedException {
        if (!uses.enter()) {
            throw new IllegalStateException("Aeron was shut down");
        }
        try {
            long deadline = System.nanoTime() + settings.timeout().toNanos();
            while (publication.channelStatus() != ChannelEndpointStatus.ACTIVE
                    || publication.localSocketAddresses().isEmpty()) {
                if (System.nanoTime() - deadline > 0 || uses.isEnding()) {
                    throw new IllegalStateException("Aeron did not open " + publication.channel());
                }
                Thread.sleep(1);
            }
            var offer =
                    new CastOffer(receiveFrom(publication, settings), publication.streamId(), publication.sessionId());
            return new Cast(publication, offer, settings.receiverTimeout(), uses);
        } catch (RuntimeException | InterruptedException e) {
            AeronNode.closeQuietly(publication);
            throw e;
        } finally {
            uses.exit();
        }
    }

    private static String receiveFrom(ExclusivePublication publication, AeronSettings settings) {
        var builder = new ChannelUriStringBuilder().media(CommonContext.UDP_MEDIA);
        if (settings.multicast().isEmpty()) {
            // The port was any; only now is it known.
            builder.controlEndpoint(publication.localSocketAddresses().getFirst())
                    .controlMode(CommonContext.MDC_CONTROL_MODE_DYNAMIC);
        } else {
            builder.endpoint(ChannelUri.parse(publication.channel()).get(CommonContext.ENDPOINT_PARAM_NAME));
        }
        return builder.build();
    }

    public CastOffer offer() {
        asked = true;
        return offer;
    }

    /** Somebody has joined after others, of whom the last may have left: the next send waits for it as the first does. */
    public void expect() {
        begun = false;
    }

    /** Whether buckets are still sent; once false, it stays so. */
    public boolean isLive() {
        return !over;
    }

    /**
     * Sends a bucket. If nobody receives any more, the cast is over.
     *
     * @param bytes must stay as they are until this returns
     * @param patience longest time in which the receivers take nothing
     * @throws CastLostException if they take nothing for that long; the cast is then over
     */
    public void send(int bucket, MemorySegment bytes, Duration patience)
            throws CastLostException, InterruptedException {
        send(bucket, 0, bytes, patience);
    }

    /**
     * The same with a piece of a bucket. All of a bucket must be sent before another one.
     *
     * @param from first byte of the piece in the bucket
     */
    public void send(int bucket, long from, MemorySegment bytes, Duration patience)
            throws CastLostException, InterruptedException {
        if (!uses.enter()) {
            over = true;
            throw new CastLostException("Aeron was shut down");
        }
        try {
            sendAll(bucket, from, bytes, patience);
        } finally {
            uses.exit();
        }
    }

    private void sendAll(int bucket, long from, MemorySegment bytes, Duration patience)
            throws CastLostException, InterruptedException {
        int most = publication.maxPayloadLength() - HEADER_BYTES;
        for (long at = 0; at < bytes.byteSize() && !over; ) {
            int length = (int) Math.min(most, bytes.byteSize() - at);
            if (claim(length, bucket, patience)) {
                var buffer = claim.buffer();
                buffer.putInt(claim.offset(), bucket, ByteOrder.LITTLE_ENDIAN);
                buffer.putInt(claim.offset() + Integer.BYTES, 0);
                buffer.putLong(claim.offset() + OFFSET_AT, from + at, ByteOrder.LITTLE_ENDIAN);
                memory(buffer.addressOffset() + claim.offset() + HEADER_BYTES, length)
                        .copyFrom(bytes.asSlice(at, length));
                claim.commit();
                at += length;
            }
        }
    }

    /** A piece of Aeron's buffers, which are mapped files. */
    static MemorySegment memory(long address, int length) {
        return MemorySegment.ofAddress(address).reinterpret(length);
    }

    /** @return false if the cast is over */
    private boolean claim(int length, int bucket, Duration patience) throws CastLostException, InterruptedException {
        long begin = System.nanoTime();
        var idle = AeronNode.patientIdle();
        while (true) {
            long position = publication.tryClaim(HEADER_BYTES + length, claim);
            if (position > 0) {
                if (!begun) {
                    begun = true;
                }
                return true;
            }
            // Somebody has joined, or is about to, and the sender may not have heard of it yet.
            boolean joining = position == Publication.NOT_CONNECTED
                    && asked
                    && !begun
                    && System.nanoTime() - begin < joiningNanos;
            if (!joining && position != Publication.BACK_PRESSURED && position != Publication.ADMIN_ACTION) {
                over = true;
                return false;
            }
            if (Thread.interrupted()) {
                throw new InterruptedException("interrupted while casting bucket " + bucket);
            }
            if (uses.isEnding()) {
                over = true;
                throw new CastLostException("Aeron is shut down");
            }
            if (System.nanoTime() - begin > patience.toNanos()) {
                over = true;
                throw new CastLostException(
                        "no receiver took anything of bucket " + bucket + " for " + patience.toMillis() + " ms");
            }
            idle.idle();
        }
    }

    /** Ends the cast: receivers notice. */
    @Override
    public void close() {
        over = true;
        AeronNode.closeQuietly(publication);
    }
}
