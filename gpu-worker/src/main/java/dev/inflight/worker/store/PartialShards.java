package dev.inflight.worker.store;

import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.ShardParts;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The shards of one checkpoint of which only some blocks are here: those that a replica is bringing, and those that are
 * kept since nobody needed more of them. The host does not hold them. Thread-safe.
 */
final class PartialShards {
    private final Map<Integer, PartialShard> coming = new ConcurrentHashMap<>();
    private final Map<Integer, PartialShard> kept = new ConcurrentHashMap<>();

    /** What a replica is bringing of a shard; null if none is. */
    @Nullable
    PartialShard coming(int shard) {
        return coming.get(shard);
    }

    /** What is here of a shard, whether more comes or not; null if nothing is. */
    @Nullable
    PartialShard find(int shard) {
        var come = coming.get(shard);
        if (come != null) {
            return come;
        }
        var known = kept.get(shard);
        // It may have gone from the one to the other in between.
        return known == null ? coming.get(shard) : known;
    }

    boolean isKept(int shard) {
        return kept.containsKey(shard);
    }

    boolean areKept() {
        return !kept.isEmpty();
    }

    /** Memory that is spent on the shards kept. */
    long keptBytes() {
        return kept.values().stream()
                .mapToLong(shard -> shard.memory().memory().spentBytes())
                .sum();
    }

    /**
     * The memory of shards that somebody begins to bring, and that are neither held nor on their way: what is kept of
     * them, or fresh memory that is to be touched.
     *
     * @throws RuntimeException with the numbers, if the memory can not be had; nothing has changed then
     */
    synchronized List<PartialShard> bring(StoredCheckpoint checkpoint, Need need, ArenaPool arenas) {
        var shards = new ArrayList<PartialShard>();
        var fresh = new ArrayList<ShardParts>();
        for (int shard : new TreeSet<>(need.shards())) {
            if (checkpoint.holds(shard) || coming.containsKey(shard)) {
                continue;
            }
            var known = kept.get(shard);
            if (known != null) {
                shards.add(known);
            } else {
                fresh.add(checkpoint.parts(shard));
            }
        }
        var memory = arenas.takeUntouched(wishes(fresh, need), missing(shards, need));
        for (int i = 0; i < fresh.size(); i++) {
            var parts = fresh.get(i);
            var copied = new ShardMemory.Copied(parts.shard(), parts.offsets(), memory.get(i));
            shards.add(new PartialShard(
                    parts, copied, checkpoint.sums(parts.shard().index())));
        }
        for (var shard : shards) {
            coming.put(shard.index(), shard);
            kept.remove(shard.index());
        }
        return shards;
    }

    private static List<ArenaPool.Wish> wishes(List<ShardParts> fresh, Need need) {
        var used =
                need.parts().stream().collect(Collectors.groupingBy(Part::shard, Collectors.summingLong(Part::bytes)));
        return fresh.stream()
                .map(parts -> new ArenaPool.Wish(
                        Math.max(1, parts.offsets().bytes()),
                        used.getOrDefault(parts.shard().index(), 0L)))
                .toList();
    }

    /** Bytes that are still to be touched of what is kept. */
    private static long missing(List<PartialShard> kept, Need need) {
        var parts = need.parts().stream().collect(Collectors.groupingBy(Part::shard));
        return kept.stream()
                .filter(shard -> !shard.memory().memory().file().isTouched())
                .mapToLong(shard -> shard.missing(parts.getOrDefault(shard.index(), List.of())))
                .sum();
    }

    /** A replica does not bring a shard any more. */
    void ended(int shard) {
        coming.remove(shard);
    }

    /** What has come of a shard stays. */
    void keep(PartialShard shard) {
        kept.put(shard.index(), shard);
    }

    /** A shard has come to be held in another way: what is kept of it is of no more use. */
    synchronized void drop(int shard, ArenaPool arenas) {
        var dropped = kept.remove(shard);
        if (dropped != null) {
            dropped.free(arenas);
        }
    }

    /** Forgets what is kept, and gives its memory. */
    synchronized Collection<ShardMemory> release() {
        var memories =
                kept.values().stream().<ShardMemory>map(PartialShard::memory).toList();
        kept.clear();
        return memories;
    }
}
