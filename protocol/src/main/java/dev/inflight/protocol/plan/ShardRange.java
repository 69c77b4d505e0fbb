package dev.inflight.protocol.plan;

import com.fasterxml.jackson.annotation.JsonFormat;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;

/**
 * Consecutive shards that a host holds.
 *
 * @param first lowest index
 * @param last highest index, inclusive
 */
@JsonFormat(shape = JsonFormat.Shape.ARRAY)
public record ShardRange(int first, int last) {
    public boolean contains(int shard) {
        return first <= shard && shard <= last;
    }

    /** The fewest ranges that cover these indexes. */
    public static List<ShardRange> of(SortedSet<Integer> shards) {
        var ranges = new ArrayList<ShardRange>();
        for (int shard : shards) {
            if (!ranges.isEmpty() && ranges.getLast().last() == shard - 1) {
                ranges.set(ranges.size() - 1, new ShardRange(ranges.getLast().first(), shard));
            } else {
                ranges.add(new ShardRange(shard, shard));
            }
        }
        return ranges;
    }
}
