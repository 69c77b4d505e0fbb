package dev.inflight.protocol.plan;

/**
 * Where a slice lies in its bucket's slot.
 *
 * @param slice the bytes
 * @param offset first byte in the slot, a multiple of {@link BucketPlanner#ALIGNMENT}
 */
public record Placement(Slice slice, long offset) {}
