package dev.inflight.worker.transport;

/**
 * Where a bucket lies in an owner's slots, as a consumer on the same machine sees it.
 *
 * @param slot the slot's {@link SlotInfo#index()}
 * @param offset the bucket's first byte in the slot
 */
public record SlotRange(int slot, long offset) {}
