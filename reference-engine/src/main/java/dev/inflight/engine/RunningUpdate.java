package dev.inflight.engine;

import java.lang.foreign.MemorySegment;
import java.util.Map;

/**
 * What an update needs while it runs.
 *
 * @param slots what its buckets lie in, by id
 * @param progress what has arrived
 * @param target where it goes
 * @param startedNs when it began, on the engine's monotonic clock
 */
record RunningUpdate(Map<Integer, MemorySegment> slots, LoadProgress progress, ParameterSet target, long startedNs) {
    MemorySegment slot(int id) throws Refusal {
        MemorySegment segment = slots.get(id);
        if (segment == null) {
            throw new Refusal("slot %d is not among the slots of this update", id);
        }
        return segment;
    }
}
