package dev.inflight.coordinator.ledger;

/** What the ledger tells its coordinator. */
public sealed interface LedgerEvent {
    /** The first one: what the replicas know. From now on entries are taken. */
    record Recovered(LedgerState state) implements LedgerEvent {}

    /** The beginning of an operation is on the disks of a majority, or of as many as answer in time. */
    record Kept(String operation) implements LedgerEvent {}
}
