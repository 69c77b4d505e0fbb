package dev.inflight.worker.device;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * K equal slots in one shared-memory file. Closing it gives the memory back to the device, which keeps it for the
 * next update. Thread-safe; only the first close counts, since an update that fails may be ended from two sides.
 */
public final class SlotRing implements AutoCloseable {
    private final SharedMemory memory;
    private final int count;
    private final long slotBytes;
    private final Runnable release;
    private final AtomicBoolean closed = new AtomicBoolean();

    SlotRing(SharedMemory memory, int count, long slotBytes, Runnable release) {
        this.memory = memory;
        this.count = count;
        this.slotBytes = slotBytes;
        this.release = release;
    }

    public int count() {
        return count;
    }

    /** Capacity of one slot in bytes. */
    public long slotBytes() {
        return slotBytes;
    }

    public Path path() {
        return memory.path();
    }

    /** First byte of a slot in the file. */
    public long offset(int slot) {
        return slot * slotBytes;
    }

    public MemorySegment slot(int slot) {
        return memory.segment().asSlice(offset(slot), slotBytes);
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            release.run();
        }
    }
}
