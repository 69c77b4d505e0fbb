package dev.inflight.worker.update;

import dev.inflight.protocol.link.SlotMemory;
import dev.inflight.protocol.plan.Bucket;
import dev.inflight.worker.transport.SlotInfo;
import dev.inflight.worker.transport.SlotRange;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;

/** A worker's own buckets: where engines and peers read them, and how they come there from the host store. */
interface OwnBuckets {
    /** Number among {@link #slots} of the first slot that buckets are moved to. */
    int firstRingSlot();

    /** Bytes of a bucket, padding between its slices included. */
    long length(int bucket);

    /** What they may lie in, as the engine maps it. */
    List<SlotMemory> memories();

    /** The same, as a peer that shares memory with this worker is told. */
    List<SlotInfo> slots();

    /** Where a bucket is read without being moved; empty if it must be moved to a slot. */
    Optional<SlotRange> inPlace(Bucket bucket);

    /** How many buckets may be on their way behind the one that is waited for. */
    int ahead();

    /**
     * Starts to bring a bucket to where it is read; for one thread.
     *
     * @return comes to its end when the bucket is there and verified
     */
    Landing bring(Bucket bucket, SlotRange at) throws InterruptedException;

    /**
     * The bytes of a bucket that is there, for a peer that shares no memory with this worker. They stay until the
     * bucket's slot is given back.
     */
    MemorySegment bytes(int bucket, SlotRange at);
}
