package dev.inflight.coordinator.ledger;

import java.util.Collection;
import java.util.List;
import java.util.Set;

/** How many replicas make an entry durable, and how many must be asked to find every durable one. */
final class Quorum {
    private Quorum() {}

    /** A majority. */
    static int toKeep(Set<String> replicas) {
        return replicas.size() / 2 + 1;
    }

    /** So many that each majority has one of them. */
    private static int toFind(Set<String> replicas) {
        return replicas.size() - toKeep(replicas) + 1;
    }

    static boolean finds(Set<String> replicas, Collection<String> asked) {
        return replicas.isEmpty() || replicas.stream().filter(asked::contains).count() >= toFind(replicas);
    }

    /**
     * The last sequence number that a majority has.
     *
     * @param reached the last one that each replica has; replicas that have none of it are left out
     */
    static long durable(Set<String> replicas, Collection<Long> reached) {
        List<Long> highestFirst =
                reached.stream().sorted((a, b) -> Long.compare(b, a)).toList();
        int majority = toKeep(replicas);
        return highestFirst.size() < majority ? 0 : highestFirst.get(majority - 1);
    }
}
