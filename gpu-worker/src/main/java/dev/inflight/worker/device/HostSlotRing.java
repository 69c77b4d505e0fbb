package dev.inflight.worker.device;

import dev.inflight.protocol.link.SlotMemory;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** Slots in a shared-memory file. */
public final class HostSlotRing extends SlotRing {
    private final SharedMemory memory;

    HostSlotRing(SharedMemory memory, int count, long slotBytes, Lease lease) {
        super(count, slotBytes, lease);
        this.memory = memory;
    }

    public Path path() {
        return memory.path();
    }

    public MemorySegment slot(int slot) {
        return memory.segment().asSlice(offset(slot), slotBytes());
    }

    @Override
    public SlotMemory memory(int slot) {
        return SlotMemory.shm(path().toString(), offset(slot), slotBytes());
    }
}
