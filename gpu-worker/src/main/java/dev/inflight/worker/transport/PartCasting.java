package dev.inflight.worker.transport;

import dev.inflight.worker.aeron.CastOffer;
import java.util.BitSet;

/** One host's place among those that a checkpoint's parts are cast to. For one thread. */
public interface PartCasting extends AutoCloseable {
    /** Where to receive. */
    CastOffer offer();

    /**
     * Casts what this receiver lacks, and returns by an exception only: the receiver leaves, and this is interrupted, when
     * it has everything. It must receive already.
     *
     * @param parts numbers of the parts that it lacks
     * @throws PeerException if they can not be cast, or not any more
     */
    void cast(BitSet parts) throws PeerException, InterruptedException;

    /** Nothing more is cast for this receiver. */
    @Override
    void close();
}
