package dev.inflight.worker.transport;

/**
 * Where a verified bucket lies in its owner's slots.
 *
 * @param at its first byte
 * @param length in bytes
 */
public record SlotRegion(SlotRange at, long length) {}
