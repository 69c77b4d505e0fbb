package dev.inflight.coordinator.ledger;

/** What the ledger tells its coordinator. */
public sealed interface LedgerEvent {
    /** The first one: what the replicas know. From now on entries are taken. */
    record Recovered(LedgerState state) implements LedgerEvent {}

    /**
     * An entry is on the disks of a majority, or of as many as answered in time.
     *
     * @param durable whether of a majority, so that no later coordinator can miss it
     */
    record Kept(Receipt receipt, boolean durable) implements LedgerEvent {}
}
