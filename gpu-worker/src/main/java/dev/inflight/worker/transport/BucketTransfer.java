package dev.inflight.worker.transport;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * A consumer's way to the buckets of one owner in one update: buckets are asked for ahead ({@link #request}), then taken
 * in the same order, either copied ({@link #fetch}) or, if the owner's slots can be mapped, in place
 * ({@link #awaitMapped}), then given back ({@link #consumed}). For one thread; only {@code consumed} and {@code close}
 * may come from another one. After a {@link PeerException} the transfer is over.
 */
public interface BucketTransfer extends AutoCloseable {
    /** Whether the owner's slots lie in memory that is shared with it: use {@link #awaitMapped}, else {@link #fetch}. */
    boolean mapped();

    /** The owner's slots; where they are means something only if {@link #mapped()}. */
    List<SlotInfo> slots();

    /**
     * Asks for a bucket ahead of taking it. At most {@value PeerResponder#MAX_OUTSTANDING} may be outstanding.
     *
     * @throws IllegalStateException if the bucket is outstanding already, or too many are
     */
    void request(int bucket) throws PeerException;

    /**
     * Waits until the bucket is verified in one of the owner's slots.
     *
     * @return where it lies
     * @throws IllegalStateException if not {@link #mapped()}, or another bucket was requested before this one
     */
    SlotRange awaitMapped(int bucket) throws PeerException, InterruptedException;

    /**
     * Waits for the bucket and copies it to the start of {@code landing}.
     *
     * @return the bucket's bytes
     * @throws IllegalStateException if another bucket was requested before this one, or the transfer is mapped
     */
    long fetch(int bucket, MemorySegment landing) throws PeerException;

    /**
     * Gives a taken bucket back: the owner may overwrite its slot. May come from any thread, also while another waits
     * for the next bucket.
     *
     * @throws IllegalStateException if the bucket was not taken, or was given back before
     */
    void consumed(int bucket) throws PeerException;

    /** Ends the transfer; if some bucket was requested and not consumed, the owner learns that it was broken off. */
    @Override
    void close();
}
