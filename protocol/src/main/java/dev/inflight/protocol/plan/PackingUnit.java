package dev.inflight.protocol.plan;

import java.util.List;

/**
 * Slices that go into one bucket together.
 *
 * @param slices the slices in sending order
 * @param module equal for units of the same module
 * @param alignedBytes room they take in a slot
 */
record PackingUnit(List<Slice> slices, int module, long alignedBytes) {}
