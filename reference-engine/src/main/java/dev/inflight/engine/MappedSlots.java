package dev.inflight.engine;

import dev.inflight.protocol.link.SlotRef;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The slots of one update, mapped until closed. */
final class MappedSlots implements AutoCloseable {
    private final Arena arena = Arena.ofShared();
    private final Map<Integer, MemorySegment> segments = new HashMap<>();

    private MappedSlots() {}

    /** Maps all of them, or none. */
    static MappedSlots map(List<SlotRef> slots) throws Refusal {
        MappedSlots mapped = new MappedSlots();
        try {
            for (SlotRef slot : slots) {
                if (mapped.segments.put(slot.id(), SlotMapping.readOnly(slot.memory(), mapped.arena)) != null) {
                    throw new Refusal("slot id %d is listed twice", slot.id());
                }
            }
            return mapped;
        } catch (Refusal refusal) {
            mapped.close();
            throw refusal;
        }
    }

    MemorySegment get(int id) throws Refusal {
        MemorySegment segment = segments.get(id);
        if (segment == null) {
            throw new Refusal("slot %d is not among the slots of this update", id);
        }
        return segment;
    }

    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
