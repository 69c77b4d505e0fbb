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
        public boolean isChecked(Bucket bucket) {
            return false;
        }

        @Override
        public void await(Bucket bucket) {
            // They are.
        }
    };

    boolean isHere(Bucket bucket);

    /** Whether every byte was checked when it came to the host store, in the course of this update. */
    boolean isChecked(Bucket bucket);

    /** Waits until they are, as long as some bytes come. */
    void await(Bucket bucket) throws InterruptedException;
}
