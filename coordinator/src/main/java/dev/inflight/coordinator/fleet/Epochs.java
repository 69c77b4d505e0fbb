package dev.inflight.coordinator.fleet;

import java.util.concurrent.atomic.AtomicLong;

/** Hands out epochs that are above every epoch seen. Shared by the coordinator and its sessions; thread-safe. */
public final class Epochs {
    private final AtomicLong highest = new AtomicLong();

    /** Raises the floor to what a fleet's workers have seen. */
    public void observe(Fleet fleet) {
        fleet.workers()
                .values()
                .forEach(worker -> highest.accumulateAndGet(worker.state().highestEpoch(), Math::max));
    }

    public long next() {
        return highest.incrementAndGet();
    }
}
