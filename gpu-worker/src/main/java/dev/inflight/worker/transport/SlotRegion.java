package dev.inflight.worker.transport;

import java.lang.foreign.MemorySegment;

/**
 * Where a verified bucket lies.
 *
 * @param slot the {@link SlotInfo#index()} of the slot it is in
 * @param offset its first byte in that slot
 * @param bytes the bucket itself; must be accessible from any thread (a shared or global arena)
 */
public record SlotRegion(int slot, long offset, MemorySegment bytes) {}
