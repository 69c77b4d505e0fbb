package dev.inflight.worker.device;

import dev.inflight.protocol.link.SlotMemory;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * K equal slots in one block of memory. Closing it gives the memory back to the device, which keeps it for the next
 * update.
 */
public abstract sealed class SlotRing implements AutoCloseable permits HostSlotRing, CudaSlotRing {
    private final int count;
    private final long slotBytes;
    private final Lease lease;
    private final AtomicBoolean closed = new AtomicBoolean();

    /** What becomes of the memory; one of the two is called, once. */
    interface Lease {
        void giveBack();

        void drop();
    }

    SlotRing(int count, long slotBytes, Lease lease) {
        this.count = count;
        this.slotBytes = slotBytes;
        this.lease = lease;
    }

    public final int count() {
        return count;
    }

    /** Capacity of one slot in bytes. */
    public final long slotBytes() {
        return slotBytes;
    }

    /** First byte of a slot in the block. */
    public final long offset(int slot) {
        return slot * slotBytes;
    }

    /** The slot as the engine maps it. */
    public abstract SlotMemory memory(int slot);

    /** Frees the memory instead of giving it back: a process that does not answer may still write to it. */
    public final void discard() {
        if (closed.compareAndSet(false, true)) {
            lease.drop();
        }
    }

    /** Closing again does nothing. */
    @Override
    public final void close() {
        if (closed.compareAndSet(false, true)) {
            lease.giveBack();
        }
    }
}
