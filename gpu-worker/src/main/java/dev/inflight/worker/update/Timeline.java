package dev.inflight.worker.update;

import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/** What each stage of one update did to which bucket, and when. Thread-safe. */
final class Timeline implements Timeline.Clock {
    /** Nanoseconds on some monotonic clock. */
    interface Clock {
        long nanos();
    }

    /** @param begin on the clock of {@link #nanos()} */
    record Span(long begin, long end) {
        long nanos() {
            return end - begin;
        }
    }

    enum Stage {
        H2D,
        TRANSFER,
        RELOAD
    }

    record Entry(Stage stage, int bucket, Span span) {}

    private final Queue<Entry> entries = new ConcurrentLinkedQueue<>();

    @Override
    public long nanos() {
        return System.nanoTime();
    }

    void add(Stage stage, int bucket, Span span) {
        entries.add(new Entry(stage, bucket, span));
    }

    List<Entry> entries() {
        return List.copyOf(entries);
    }
}
