package dev.inflight.coordinator.fleet;

import java.time.InstantSource;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Hands out epochs that are above every epoch seen, and not below the wall clock in milliseconds: when a whole cluster
 * restarts, engines that live on have seen epochs that no worker remembers. Shared by the coordinator and its sessions;
 * thread-safe.
 */
public final class Epochs {
    private final InstantSource wallClock;
    private final AtomicLong highest = new AtomicLong();

    public Epochs(InstantSource wallClock) {
        this.wallClock = wallClock;
    }

    /** Raises the floor to what a fleet's workers have seen. */
    public void observe(Fleet fleet) {
        fleet.workers()
                .values()
                .forEach(worker -> highest.accumulateAndGet(worker.state().highestEpoch(), Math::max));
    }

    public long next() {
        return highest.updateAndGet(seen -> Math.max(seen + 1, wallClock.millis()));
    }
}
