package dev.inflight.cli.load;

import org.jspecify.annotations.Nullable;

/**
 * What the clients saw.
 *
 * @param sent requests asked, each answered or failed
 * @param failed requests without an answer: refused, broken off, timed out, or not HTTP 200
 * @param mixed answers that are not those of the version they name
 * @param p50Ms median latency of answered requests in milliseconds
 * @param p99Ms 99th percentile of the same
 * @param longestGapMs longest time in milliseconds during which one engine answered nobody
 * @param firstProblem the first failed or mixed request, with engine and seed
 */
public record LoadReport(
        long sent,
        long failed,
        long mixed,
        double p50Ms,
        double p99Ms,
        double longestGapMs,
        @Nullable String firstProblem) {}
