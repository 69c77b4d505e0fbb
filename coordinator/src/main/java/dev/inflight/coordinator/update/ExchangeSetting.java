package dev.inflight.coordinator.update;

/** What {@code inflight.coordinator.update.exchange} allows; reference.conf documents it. */
public enum ExchangeSetting {
    AUTO,
    TRANSFERS,
    NCCL,
    AERON
}
