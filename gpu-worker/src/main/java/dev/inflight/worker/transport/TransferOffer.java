package dev.inflight.worker.transport;

import java.util.List;

/**
 * What an owner answers to a consumer that opens a transfer.
 *
 * @param machine the owner's {@link MachineIdentity}: a consumer with the same one maps the slots instead of copying
 * @param slots the owner's slots, at most {@value #MAX_SLOTS}
 */
public record TransferOffer(String machine, List<SlotInfo> slots) {
    static final int MAX_SLOTS = 1024;

    public TransferOffer {
        slots = List.copyOf(slots);
        if (slots.size() > MAX_SLOTS) {
            throw new IllegalArgumentException("an offer of " + slots.size() + " slots; at most " + MAX_SLOTS);
        }
    }
}
