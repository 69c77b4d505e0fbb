package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;

/** Whether the bytes of this worker's own buckets are in the host store. */
interface Presence {
    /** For updates whose bytes were loaded before. */
    Presence ALWAYS = new Presence() {
        @Override
        public boolean isHere(Bucket bucket) {
            return true;
        }

        @Override
        public void await(Bucket bucket) {
            // They are.
        }
    };

    boolean isHere(Bucket bucket);

    /** Waits until they are, as long as some bytes come. */
    void await(Bucket bucket) throws InterruptedException;
}
