package dev.inflight.worker.update;

import dev.inflight.protocol.link.SlotMemory;
import dev.inflight.protocol.link.SlotRef;
import java.util.ArrayList;
import java.util.List;

/** The slots of one update as its engine is told of them, numbered in the order in which they are announced. */
final class EngineSlots {
    private final List<SlotRef> slots = new ArrayList<>();

    /** Returns the number of the first. */
    int announce(List<SlotMemory> more) {
        int first = slots.size();
        more.forEach(memory -> slots.add(new SlotRef(slots.size(), memory)));
        return first;
    }

    List<SlotRef> all() {
        return List.copyOf(slots);
    }
}
