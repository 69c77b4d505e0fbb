package dev.inflight.worker.store;

import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.ShardParts;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The shards of one checkpoint of which only some blocks are here: those that a replica is bringing, and those that are
 * kept since nobody needed more of them. The host does not hold them. Thread-safe.
 */
final class PartialShards {
    private final Map<Integer, Coming> coming = new ConcurrentHashMap<>();
    private final Map<Integer, PartialShard> kept = new ConcurrentHashMap<>();

    /** @param leases the replica's, which keep the memory from being freed when it ends */
    record Coming(PartialShard shard, Leases leases) {}

    @Nullable
    Coming coming(int shard) {
        return coming.get(shard);
    }

    @Nullable
    PartialShard kept(int shard) {
        return kept.get(shard);
    }

    /** Bytes of a part that are not kept. */
    long missing(Part part) {
        var shard = kept.get(part.shard());
        return shard == null
                ? part.bytes()
                : shard.missing(part).stream().mapToLong(Part::bytes).sum();
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
     * The memory of shards that somebody begins to bring: what is kept of them, or fresh memory that is to be touched.
     *
     * @param needed bytes of each shard that are to be brought
     * @throws RuntimeException with the numbers, if the memory can not be had; nothing has changed then
     */
    List<PartialShard> bring(
            StoredCheckpoint checkpoint, Map<ShardParts, Long> needed, ArenaPool arenas, Leases leases) {
        var shards = new ArrayList<PartialShard>();
        var wishes = new ArrayList<ArenaPool.Wish>();
        var fresh = new ArrayList<ShardParts>();
        long more = 0;
        for (var shard : needed.entrySet()) {
            var known = kept.get(shard.getKey().shard().index());
            if (known == null) {
                fresh.add(shard.getKey());
                long size = Math.max(1, shard.getKey().offsets().bytes());
                wishes.add(new ArenaPool.Wish(size, shard.getValue()));
            } else {
                shards.add(known);
                more += known.memory().memory().file().isTouched() ? 0 : shard.getValue();
            }
        }
        var memory = arenas.takeUntouched(wishes, more);
        for (int i = 0; i < fresh.size(); i++) {
            var parts = fresh.get(i);
            var copied = new ShardMemory.Copied(parts.shard(), parts.offsets(), memory.get(i));
            shards.add(new PartialShard(
                    parts, copied, checkpoint.sums(parts.shard().index())));
        }
        for (var shard : shards) {
            coming.put(shard.index(), new Coming(shard, leases));
            kept.remove(shard.index());
        }
        return shards;
    }

    /** A replica does not bring a shard any more. */
    void ended(int shard) {
        coming.remove(shard);
    }

    /** What has come of a shard stays. */
    void keep(PartialShard shard) {
        kept.put(shard.index(), shard);
    }

    /** Forgets what is kept, and gives its memory. */
    Collection<ShardMemory> release() {
        var memories =
                kept.values().stream().<ShardMemory>map(PartialShard::memory).toList();
        kept.clear();
        return memories;
    }
}
