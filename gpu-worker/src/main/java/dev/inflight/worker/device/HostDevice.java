package dev.inflight.worker.device;

import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A device whose memory is POSIX shared memory: the default where there is no GPU. Memory of closed rings is kept and
 * handed out again, so that only the first update pays for first touch. Thread-safe.
 */
public final class HostDevice implements AutoCloseable {
    private final ShmNames names;
    private final long budgetBytes;
    private final List<SharedMemory> idle = new ArrayList<>();
    private boolean closed;
    private int ringsOut;

    /** @param budgetBytes most memory that one ring may take */
    public HostDevice(ShmNames names, long budgetBytes) {
        this.names = names;
        this.budgetBytes = budgetBytes;
    }

    public String id() {
        return "host";
    }

    /** Most bytes that one slot ring may take. */
    public long slotBudgetBytes() {
        return budgetBytes;
    }

    /**
     * Takes a ring of {@code count} slots.
     *
     * @throws DeviceMemoryException if it is over the budget or the host can not give the memory
     */
    public synchronized SlotRing slots(int count, long slotBytes) {
        long bytes = Math.multiplyExact(count, slotBytes);
        if (bytes > budgetBytes) {
            throw new DeviceMemoryException(count + " slots of " + slotBytes + " bytes need " + bytes
                    + " bytes, the slot budget is " + budgetBytes
                    + "; raise inflight.worker.slot-memory or lower inflight.coordinator.update.max-slot");
        }
        var memory = takeIdle(bytes);
        ringsOut++;
        return new SlotRing(memory, count, slotBytes, this::release);
    }

    /** Allocates the whole budget now, so that the first ring is there at once. */
    public void warm() {
        slots(1, budgetBytes).close();
    }

    private SharedMemory takeIdle(long bytes) {
        for (var memory : idle) {
            if (memory.bytes() >= bytes) {
                idle.remove(memory);
                return memory;
            }
        }
        idle.forEach(SharedMemory::close);
        idle.clear();
        try {
            return SharedMemory.create(names.fresh("slots"), bytes);
        } catch (UncheckedIOException e) {
            throw new DeviceMemoryException(String.valueOf(e.getMessage()));
        }
    }

    /** Rings taken and not closed yet; none between updates. */
    public synchronized int ringsOut() {
        return ringsOut;
    }

    /** Gives a ring back, or only counts it if its memory was freed already. */
    private synchronized void release(@Nullable SharedMemory memory) {
        ringsOut--;
        if (memory == null) {
            return;
        }
        if (closed) {
            memory.close();
        } else {
            idle.add(memory);
        }
    }

    /** Copies host bytes to slot bytes; the host-to-device stage. */
    public void copyIn(MemorySegment source, MemorySegment slot, long offset) {
        MemorySegment.copy(source, 0, slot, offset, source.byteSize());
    }

    @Override
    public synchronized void close() {
        closed = true;
        idle.forEach(SharedMemory::close);
        idle.clear();
    }
}
