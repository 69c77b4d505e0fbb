package dev.inflight.worker.store;

import dev.inflight.protocol.link.NeededBytes;
import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.Shard;
import dev.inflight.protocol.plan.ShardRange;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * What somebody needs of a checkpoint in this host's memory.
 *
 * @param shards indexes of the shards that memory is needed for
 * @param parts parts of these, in the order in which they are needed
 */
public record Need(Set<Integer> shards, List<Part> parts) {
    public Need {
        shards = Set.copyOf(shards);
        parts = List.copyOf(parts);
    }

    /** What an engine needs, as it comes to it in buckets. */
    public static Need of(StoredCheckpoint checkpoint, NeededBytes needed, List<Bucket> buckets) {
        var shards = checkpoint.sharding().shards().stream()
                .filter(needed::needs)
                .map(Shard::index)
                .collect(Collectors.toSet());
        var parts = checkpoint.parts(buckets).stream()
                .flatMap(part -> needed.of(part).stream())
                .toList();
        return new Need(shards, parts);
    }

    /** Whole shards. */
    public static Need of(StoredCheckpoint checkpoint, Collection<ShardRange> ranges) {
        var shards = ranges.stream()
                .flatMapToInt(range -> IntStream.rangeClosed(range.first(), range.last()))
                .boxed()
                .collect(Collectors.toCollection(TreeSet::new));
        return new Need(
                shards,
                shards.stream()
                        .flatMap(shard -> checkpoint.parts(shard).parts().stream())
                        .toList());
    }
}
