package dev.inflight.protocol.plan;

/**
 * The slot ring of every worker in one update.
 *
 * @param count K, the number of slots in the ring
 * @param bytes capacity of one slot
 * @param reason why this count and size, for the report
 */
public record Slots(int count, long bytes, String reason) {}
