package dev.inflight.worker.transport;

import dev.inflight.worker.aeron.AeronNode;
import dev.inflight.worker.aeron.CastLostException;
import dev.inflight.worker.aeron.CastOffer;
import dev.inflight.worker.aeron.CastReceiver;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.BitSet;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * Receives parts of a checkpoint that one host casts to all who lack them: {@link #await}, {@link #join},
 * {@link #want}, then {@link #next} until nothing is lacking. The connection tells each side that the other lives; the
 * bytes come by UDP. For one thread, whose interruption ends its call.
 */
public final class PartCastReader implements AutoCloseable {
    private final FrameChannel channel;
    private @Nullable CastReceiver receiver;
    private volatile @Nullable String end;

    private PartCastReader(FrameChannel channel) {
        this.channel = channel;
    }

    /** @param timeout longest silence of the peer */
    public static PartCastReader connect(String endpoint, Duration timeout) throws PeerException {
        return new PartCastReader(PeerConnection.connect(endpoint, timeout).parts());
    }

    /**
     * Asks to be cast to, and waits for as long as the peer lives until it casts.
     *
     * @param checkpoint as in {@link PartKey}
     * @param machine see {@link PeerService#castParts}
     * @throws PeerException if the peer does not cast it, or is gone
     */
    public CastOffer await(String checkpoint, String machine) throws PeerException {
        channel.send(Op.CAST_PARTS, 0, Payload.castPartsQuery(new Payload.CastPartsQuery(checkpoint, machine)));
        try {
            return Payload.castAt(channel.readPayload(ChunkReader.expect(channel, Op.CAST_AT, "joining a cast")));
        } catch (MalformedPayloadException e) {
            channel.close();
            throw channel.failure("its cast is malformed: " + e.getMessage(), e);
        }
    }

    /**
     * Receives from now on.
     *
     * @param casts how many are received at a time, see {@link AeronNode#receive(CastOffer, int)}
     */
    public void join(AeronNode aeron, CastOffer offer, int casts) throws CastLostException, InterruptedException {
        receiver = aeron.receive(offer, casts);
    }

    /**
     * Says which parts are lacking: each is cast once from now on.
     *
     * @param parts their numbers
     */
    public void want(BitSet parts) throws PeerException {
        channel.send(Op.PARTS_WANTED, 0, Payload.partsWanted(parts));
        Thread.ofVirtual().name("part-cast " + channel.peer()).start(this::watch);
    }

    /** Nothing is to come over the connection but its end. */
    private void watch() {
        try {
            Frame frame = channel.next();
            String message = frame.op() == Op.FAILED
                    ? Payload.message(channel.readPayload(frame))
                    : "it sent a " + frame.op() + " frame";
            end = String.valueOf(channel.failure(message, null).getMessage());
            channel.close();
        } catch (PeerException gone) {
            end = String.valueOf(gone.getMessage());
        }
    }

    /**
     * Lands the next part that is wanted here; others pass by.
     *
     * @param targets memory as long as the part of this number; null if it is not wanted
     * @param silence longest time in which nothing at all comes
     * @return the part's number; its bytes are not checked
     * @throws CastLostException if nothing more comes
     */
    public int next(IntFunction<@Nullable MemorySegment> targets, Duration silence)
            throws CastLostException, InterruptedException {
        var open = receiver;
        if (open == null) {
            throw new IllegalStateException("no cast was joined");
        }
        try {
            return open.next(targets, silence, () -> end != null);
        } catch (CastLostException e) {
            String why = end;
            throw why == null ? e : new CastLostException(why, e);
        }
    }

    @Override
    public void close() {
        var open = receiver;
        receiver = null;
        if (open != null) {
            open.close();
        }
        channel.close();
    }
}
