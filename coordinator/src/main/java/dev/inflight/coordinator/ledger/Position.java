package dev.inflight.coordinator.ledger;

/**
 * Where a record stands. Sequence numbers rise over all terms; which term a record is of tells what a deposed
 * coordinator wrote from what its successor wrote under the same number.
 *
 * @param term the coordinator's; each has a higher one than those before
 */
public record Position(long term, long sequence) implements Comparable<Position> {
    /** Before the first record. */
    public static final Position NONE = new Position(0, 0);

    @Override
    public int compareTo(Position other) {
        int byTerm = Long.compare(term, other.term);
        return byTerm != 0 ? byTerm : Long.compare(sequence, other.sequence);
    }
}
