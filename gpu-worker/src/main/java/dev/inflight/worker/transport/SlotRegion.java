package dev.inflight.worker.transport;

import java.lang.foreign.MemorySegment;

/**
 * A verified bucket in a slot.
 *
 * @param slot the slot's {@link SlotInfo#index()}
 * @param bytes the used part of the slot; must be accessible from any thread (a shared or global arena)
 */
public record SlotRegion(int slot, MemorySegment bytes) {}
