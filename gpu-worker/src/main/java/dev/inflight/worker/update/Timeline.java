package dev.inflight.worker.update;

import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/** When each phase of one update ran on this worker, and what each stage did to which bucket. Thread-safe. */
final class Timeline {
    /** From begin to end by {@link System#nanoTime()}. */
    record Span(long begin, long end) {
        long nanos() {
            return end - begin;
        }
    }

    /** What runs beside the others, as people read it. */
    enum Track {
        PHASE("phase"),
        H2D("H2D"),
        VERIFY("verify"),
        TRANSFER("transfer"),
        RELOAD("reload");

        private final String label;

        Track(String label) {
            this.label = label;
        }

        String label() {
            return label;
        }
    }

    record Entry(Track track, String name, Span span) {}

    private final Queue<Entry> entries = new ConcurrentLinkedQueue<>();

    void bucket(Track track, int bucket, Span span) {
        entries.add(new Entry(track, "bucket " + bucket, span));
    }

    void phase(String name, Span span) {
        entries.add(new Entry(Track.PHASE, name, span));
    }

    List<Entry> entries() {
        return List.copyOf(entries);
    }
}
