package dev.inflight.protocol.plan;

import java.util.ArrayList;
import java.util.List;

/** Cuts one owner's sequence of units into buckets without changing its order. */
final class BucketPacking {
    private final List<PackingUnit> units;
    /** Units from i up to {@code fullEnd[i]}, exclusive, fill a bucket that begins with unit i. */
    private final int[] fullEnd;
    /** Fewest buckets that units from i on need. */
    private final int[] need;
    /** Room that units before i take. */
    private final long[] before;

    BucketPacking(List<PackingUnit> units, long slotBytes, int maxPlacements) {
        int count = units.size();
        this.units = units;
        this.fullEnd = new int[count];
        this.need = new int[count + 1];
        this.before = new long[count + 1];
        for (int i = 0; i < count; i++) {
            before[i + 1] = before[i] + units.get(i).alignedBytes();
        }
        int end = 0;
        long placements = 0;
        for (int begin = 0; begin < count; begin++) {
            while (end < count
                    && before[end + 1] - before[begin] <= slotBytes
                    && placements + units.get(end).slices().size() <= maxPlacements) {
                placements += units.get(end).slices().size();
                end++;
            }
            fullEnd[begin] = end;
            placements -= units.get(begin).slices().size();
        }
        for (int begin = count - 1; begin >= 0; begin--) {
            need[begin] = 1 + need[fullEnd[begin]];
        }
    }

    int fewestBuckets() {
        return need[0];
    }

    /**
     * Fills {@code rounds} buckets about evenly, or one per unit if there are fewer units.
     *
     * @param rounds at least {@link #fewestBuckets()}
     */
    List<List<Slice>> pack(int rounds) {
        int buckets = Math.min(rounds, units.size());
        List<List<Slice>> packed = new ArrayList<>(buckets);
        int begin = 0;
        for (int left = buckets; left > 0; left--) {
            int end = end(begin, left);
            List<Slice> slices = new ArrayList<>();
            for (int i = begin; i < end; i++) {
                slices.addAll(units.get(i).slices());
            }
            packed.add(slices);
            begin = end;
        }
        return packed;
    }

    /**
     * Where the bucket that begins at {@code begin} ends if it and {@code left - 1} more take the rest: as near to an
     * even share as the later buckets' capacity allows, and between modules if that is not much worse.
     */
    private int end(int begin, int left) {
        int count = units.size();
        int last = Math.min(fullEnd[begin], count - (left - 1));
        long share = (before[count] - before[begin]) / left;
        long target = before[begin] + share;
        int best = last;
        int bestBetweenModules = -1;
        // From the fullest bucket down, as long as the rest still fits in the buckets that are left.
        for (int end = last; end > begin && need[end] <= left - 1; end--) {
            if (distance(end, target) <= distance(best, target)) {
                best = end;
            }
            boolean between = end == count
                    || units.get(end - 1).module() != units.get(end).module();
            if (between && (bestBetweenModules < 0 || distance(end, target) <= distance(bestBetweenModules, target))) {
                bestBetweenModules = end;
            }
        }
        return bestBetweenModules >= 0 && distance(bestBetweenModules, target) <= share / 4 ? bestBetweenModules : best;
    }

    private long distance(int end, long target) {
        return Math.abs(before[end] - target);
    }
}
