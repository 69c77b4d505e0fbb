package dev.inflight.engine;

/**
 * What an update needs while it runs.
 *
 * @param slots where its buckets lie
 * @param progress what has arrived
 * @param target where it goes
 * @param startedNs when it began, on the engine's monotonic clock
 */
record RunningUpdate(MappedSlots slots, LoadProgress progress, ParameterSet target, long startedNs) {}
