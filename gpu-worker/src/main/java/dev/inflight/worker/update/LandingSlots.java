package dev.inflight.worker.update;

import dev.inflight.worker.device.SlotRing;
import java.lang.foreign.MemorySegment;
import java.time.Duration;

/** Slots for buckets of other workers. Thread-safe for different slots. */
interface LandingSlots {
    SlotRing ring();

    /** Host memory that bytes for a slot come into from a socket. */
    MemorySegment inbound(int slot);

    /** Brings the first bytes of {@link #inbound} to the slot itself; returns when they are there. */
    void settle(int slot, long bytes, Duration patience) throws InterruptedException;
}
