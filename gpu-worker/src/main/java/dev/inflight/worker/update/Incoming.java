package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.worker.transport.SlotRange;

/** How a remote owner's buckets come within the engine's reach. For one thread. */
interface Incoming {
    /** Returns when the bucket can be read and is verified, and whoever waits for it has been told. */
    void bring(Bucket bucket) throws InterruptedException;

    /** Whoever waits for buckets. */
    interface Located {
        /**
         * @param at where it lies: in the owner's slots if they are read there, in the landing ring otherwise
         * @param release gives the slot back
         */
        void at(int bucket, SlotRange at, Runnable release);
    }
}
