package dev.inflight.worker.store;

import java.time.Duration;

/**
 * How a host lends arenas to trainers.
 *
 * @param timeout how long an arena is the trainer's, from when it is ready, unless it is published before
 * @param mostBytes most memory that is lent at once; 0 to lend nothing
 */
public record LeaseSettings(Duration timeout, long mostBytes) {
    /** Nothing is lent. */
    static final LeaseSettings NONE = new LeaseSettings(Duration.ZERO, 0);
}
