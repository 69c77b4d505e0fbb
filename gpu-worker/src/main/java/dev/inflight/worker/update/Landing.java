package dev.inflight.worker.update;

import java.time.Duration;

/** Bytes on their way to a slot. */
interface Landing extends AutoCloseable {
    /** They are there already. */
    Landing DONE = new Landing() {
        @Override
        public void await(Duration patience) {
            // There is nothing to wait for.
        }

        @Override
        public void close() {
            // Nor to give back.
        }
    };

    /**
     * Blocks until they are there and verified.
     *
     * @throws RuntimeException if they are not there after {@code patience}, can not come, or are not what they must be
     */
    void await(Duration patience) throws InterruptedException;

    /** Gives back what was needed to wait; the bytes may still be on their way. */
    @Override
    void close();
}
