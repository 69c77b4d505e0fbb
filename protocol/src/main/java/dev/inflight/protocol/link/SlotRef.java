package dev.inflight.protocol.link;

/**
 * A slot as {@code begin} introduces it.
 *
 * @param id names the slot in this update's loads
 * @param memory where it lies
 */
public record SlotRef(int id, SlotMemory memory) {}
