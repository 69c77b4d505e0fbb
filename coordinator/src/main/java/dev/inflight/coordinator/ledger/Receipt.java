package dev.inflight.coordinator.ledger;

/**
 * What somebody waits for until the ledger has an entry; told back in {@link LedgerEvent.Kept}. Of one coordinator and its
 * {@link LedgerWriter}: nothing of it is on disk or sent to replicas, so no ledger holds one.
 */
public sealed interface Receipt {
    /** The operation that the entry is about. */
    String operation();

    /** An operation was taken, or waits for its turn. */
    record Taken(String operation) implements Receipt {}

    /** An update that waited was called off. */
    record CalledOff(String operation) implements Receipt {}

    /**
     * A canary moved, or somebody decided about it.
     *
     * @param number which entry of this canary under this coordinator, from 1
     */
    record CanaryMove(String operation, int number) implements Receipt {}
}
