package dev.inflight.cli.bench;

/** The middle of measured numbers. */
final class Median {
    private Median() {}

    /** @param sorted at least one, in ascending order */
    static double ofSorted(double[] sorted) {
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
