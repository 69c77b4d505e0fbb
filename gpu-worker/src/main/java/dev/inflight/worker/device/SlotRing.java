package dev.inflight.worker.device;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * K equal slots in one shared-memory file. Closing it gives the memory back to the device, which keeps it for the
 * next update.
 */
public final class SlotRing implements AutoCloseable {
    private final SharedMemory memory;
    private final int count;
    private final long slotBytes;
    private final Consumer<@Nullable SharedMemory> release;
    private final AtomicBoolean closed = new AtomicBoolean();

    SlotRing(SharedMemory memory, int count, long slotBytes, Consumer<@Nullable SharedMemory> release) {
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

    /** Frees the memory instead of giving it back: a process that does not answer may still write to it. */
    public void discard() {
        if (closed.compareAndSet(false, true)) {
            memory.close();
            release.accept(null);
        }
    }

    /** Closing again does nothing. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            release.accept(memory);
        }
    }
}
