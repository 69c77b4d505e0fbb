package dev.inflight.engine;

import dev.inflight.protocol.link.SlotRef;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/**
 * Slots mapped for reading. Mappings outlive the update they were made for, since the next ones mostly read from the
 * same files and a page that is mapped already costs nothing; those that neither this update nor the one before needed
 * are given up. For the link's thread.
 */
final class SlotMappings implements AutoCloseable {
    private final Map<SlotMapping.Source, Mapped> mapped = new HashMap<>();
    private long updates;

    private static final class Mapped {
        private final Arena arena;
        private final MemorySegment segment;
        private long lastUpdate;

        Mapped(Arena arena, MemorySegment segment) {
            this.arena = arena;
            this.segment = segment;
        }
    }

    /** The slots of one update by id. Valid until the second {@code map} after this one, or {@link #close}. */
    Map<Integer, MemorySegment> map(List<SlotRef> slots) throws Refusal {
        updates++;
        Map<Integer, MemorySegment> segments = new HashMap<>();
        for (SlotRef slot : slots) {
            if (segments.put(slot.id(), mapped(SlotMapping.source(slot.memory()))) != null) {
                throw new Refusal("slot id %d is listed twice", slot.id());
            }
        }
        giveUpUnused();
        return segments;
    }

    private MemorySegment mapped(SlotMapping.Source source) throws Refusal {
        Mapped known = mapped.get(source);
        if (known == null) {
            Arena arena = Arena.ofShared();
            try {
                known = new Mapped(arena, SlotMapping.readOnly(source, arena));
            } catch (Refusal refusal) {
                arena.close();
                throw refusal;
            }
            mapped.put(source, known);
        }
        known.lastUpdate = updates;
        return known.segment;
    }

    private void giveUpUnused() {
        for (Iterator<Mapped> all = mapped.values().iterator(); all.hasNext(); ) {
            Mapped one = all.next();
            if (one.lastUpdate < updates - 1) {
                all.remove();
                one.arena.close();
            }
        }
    }

    @Override
    public void close() {
        mapped.values().forEach(one -> one.arena.close());
        mapped.clear();
    }
}
