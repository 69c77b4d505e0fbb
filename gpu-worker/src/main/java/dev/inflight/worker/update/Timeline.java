package dev.inflight.worker.update;

import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/** What each stage of one update did to which bucket, and when. Thread-safe. */
final class Timeline {
    /** From begin to end by {@link System#nanoTime()}. */
    record Span(long begin, long end) {
        long nanos() {
            return end - begin;
        }
    }

    enum Stage {
        H2D("H2D"),
        VERIFY("verify"),
        TRANSFER("transfer"),
        RELOAD("reload");

        private final String label;

        Stage(String label) {
            this.label = label;
        }

        /** As people read it. */
        String label() {
            return label;
        }
    }

    record Entry(Stage stage, int bucket, Span span) {}

    private final Queue<Entry> entries = new ConcurrentLinkedQueue<>();

    void add(Stage stage, int bucket, Span span) {
        entries.add(new Entry(stage, bucket, span));
    }

    List<Entry> entries() {
        return List.copyOf(entries);
    }
}
