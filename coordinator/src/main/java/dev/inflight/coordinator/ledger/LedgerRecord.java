package dev.inflight.coordinator.ledger;

/** An entry at its place in the ledger. */
public record LedgerRecord(long term, long sequence, LedgerEntry entry) {
    public Position position() {
        return new Position(term, sequence);
    }
}
