package dev.inflight.cli.load;

import java.net.URI;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Counts of all clients together. Thread-safe. */
final class LoadTally {
    private static final double NANOS_PER_MILLI = 1e6;

    private final Map<URI, Long> lastAnswerNanos = new HashMap<>();
    private long[] latencyNanos = new long[1024];
    private int answered;
    private long failed;
    private long mixed;
    private long longestGapNanos;
    private @Nullable String firstProblem;

    synchronized void answered(URI engine, long askedNanos, long answeredNanos) {
        if (answered == latencyNanos.length) {
            latencyNanos = Arrays.copyOf(latencyNanos, answered * 2);
        }
        latencyNanos[answered++] = answeredNanos - askedNanos;
        Long last = lastAnswerNanos.put(engine, answeredNanos);
        if (last != null) {
            longestGapNanos = Math.max(longestGapNanos, answeredNanos - last);
        }
    }

    synchronized void mixed(String problem) {
        mixed++;
        note(problem);
    }

    synchronized void failed(String problem) {
        failed++;
        note(problem);
    }

    /** What was counted since the last lap. A gap that goes on belongs to the lap in which it ends. */
    synchronized LoadReport lap() {
        LoadReport report = report();
        answered = 0;
        failed = 0;
        mixed = 0;
        longestGapNanos = 0;
        firstProblem = null;
        return report;
    }

    private LoadReport report() {
        long[] sorted = Arrays.copyOf(latencyNanos, answered);
        Arrays.sort(sorted);
        return new LoadReport(
                answered + failed,
                failed,
                mixed,
                percentileMs(sorted, 0.50),
                percentileMs(sorted, 0.99),
                longestGapNanos / NANOS_PER_MILLI,
                firstProblem);
    }

    private void note(String problem) {
        if (firstProblem == null) {
            firstProblem = problem;
        }
    }

    private static double percentileMs(long[] sorted, double fraction) {
        if (sorted.length == 0) {
            return 0;
        }
        int rank = (int) Math.ceil(fraction * sorted.length);
        return sorted[Math.max(rank, 1) - 1] / NANOS_PER_MILLI;
    }
}
