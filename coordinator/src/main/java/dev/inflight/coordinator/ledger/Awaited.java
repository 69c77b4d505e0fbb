package dev.inflight.coordinator.ledger;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Records that somebody waits for to be durable, in their order. For one thread. Times are given, in nanoseconds of one
 * clock.
 */
final class Awaited {
    /** Hears once what became of a record. */
    interface Release {
        /** @param durable whether a majority has it; otherwise nobody can say that it will be remembered */
        void told(boolean durable);
    }

    /** Where nothing is overdue. */
    static final long NONE = 0;

    private final Deque<Waiting> waiting = new ArrayDeque<>();

    private record Waiting(long sequence, Release release, long sinceNanos) {}

    /** @param sequence of the record, none below that of one which is waited for already */
    void add(long sequence, Release release, long now) {
        waiting.add(new Waiting(sequence, release, now));
    }

    /** A majority has all records up to this one. */
    void durable(long sequence) {
        while (!waiting.isEmpty() && waiting.getFirst().sequence() <= sequence) {
            waiting.removeFirst().release().told(true);
        }
    }

    /**
     * Lets those go that have waited for longer than the limit.
     *
     * @return the first of their records; {@link #NONE} if there is none
     */
    long overdue(long limitNanos, long now) {
        long first = NONE;
        while (!waiting.isEmpty() && now - waiting.getFirst().sinceNanos() > limitNanos) {
            Waiting overdue = waiting.removeFirst();
            first = first == NONE ? overdue.sequence() : first;
            overdue.release().told(false);
        }
        return first;
    }
}
