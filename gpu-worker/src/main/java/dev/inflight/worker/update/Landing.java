package dev.inflight.worker.update;

import java.time.Duration;

/** Bytes on their way to a slot. */
@FunctionalInterface
interface Landing {
    /** They are there already. */
    Landing DONE = patience -> {};

    /**
     * Blocks until they are there.
     *
     * @throws RuntimeException if they are not there after {@code patience}, or can not come
     */
    void await(Duration patience) throws InterruptedException;
}
