package dev.inflight.worker.transport;

import dev.inflight.protocol.link.EngineShare;
import dev.inflight.worker.aeron.CastOffer;
import dev.inflight.worker.nccl.NcclId;
import dev.inflight.worker.nccl.RankArrival;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * What a {@link PeerServer} serves. Methods are called on virtual threads, for many connections at once, and may block;
 * a blocked call is interrupted when its client goes away or the server closes, and must then return promptly.
 *
 * <p>A {@link PeerException} is told to the client by its message. Any other exception is told as an internal error.
 */
public interface PeerService {
    /** The encoded block sums of one shard of a publication. */
    byte[] blockSums(String publishId, int shard) throws PeerException, InterruptedException;

    /** The canonical bytes of the manifest with this digest. */
    byte[] manifest(String digest) throws PeerException, InterruptedException;

    /**
     * Digests of what one engine holds of each block of a shard of tensors that it has slices of, computed now from the bytes
     * that are held here, after checking them; takes as long as reading them does.
     *
     * @param checkpoint names it with its sharding, as in {@link #blockSums}
     */
    byte[] sliceDigests(String checkpoint, EngineShare share, int shard) throws PeerException, InterruptedException;

    /** The id of the communicator that a rank is to use; blocks until all ranks of its group have come. */
    NcclId meet(RankArrival arrival) throws PeerException, InterruptedException;

    /**
     * A part of a shard that this host has, or is replicating: then this waits, but not for ever, until it is here.
     *
     * @param machine the asker's {@link MachineIdentity}; empty if it does not want to map anything
     * @return null if this host has some of the shard, or is replicating some, but not this part
     */
    default @Nullable PartBytes part(PartKey part, String machine) throws PeerException, InterruptedException {
        throw new PeerException(part + " is not here");
    }

    /**
     * Where parts of a checkpoint are cast to hosts that lack them. Waits, for as long as the client does, until enough
     * machines ask for it.
     *
     * @param checkpoint as in {@link PartKey}
     * @param machine identity of the asker's machine, by which askers are counted
     */
    default PartCasting castParts(String checkpoint, String machine) throws PeerException, InterruptedException {
        throw new PeerException("this host does not cast parts");
    }

    /** Admits a consumer. If this returns, {@link #closed} follows exactly once; if it throws, it does not. */
    TransferOffer open(TransferKey key) throws PeerException, InterruptedException;

    /** Where the buckets of a transfer are cast to all who receive them; null if they are not, or not any more. */
    default @Nullable CastOffer cast(TransferKey key) throws PeerException {
        return null;
    }

    /**
     * Blocks until the bucket is verified in a slot. The slot must stay as it is until {@link #consumed} or
     * {@link #closed}. Called in the order in which the consumer asked, one call at a time for each transfer.
     */
    SlotRegion awaitBucket(TransferKey key, int bucket) throws PeerException, InterruptedException;

    /** The bytes of a bucket that was awaited, accessible from any thread; they stay as long as its slot does. */
    MemorySegment bytes(TransferKey key, int bucket) throws PeerException;

    /**
     * The consumer needs the bucket's slot no longer. Called while {@link #awaitBucket} may be waiting for a later
     * bucket of the same transfer, so it must not wait for that call.
     */
    void consumed(TransferKey key, int bucket) throws PeerException;

    /**
     * The transfer is over and none of its buckets is being read any more.
     *
     * @param clean the consumer said so itself and had consumed every bucket it asked for; otherwise it gave up or its
     *     connection broke
     */
    void closed(TransferKey key, boolean clean);
}
