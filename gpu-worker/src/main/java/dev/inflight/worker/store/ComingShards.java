package dev.inflight.worker.store;

import dev.inflight.protocol.plan.Part;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;

/** The shards that a replica is bringing: what of them is here, and what somebody needs. Guarded by its owner. */
final class ComingShards {
    private final StoredCheckpoint checkpoint;
    private final Map<Integer, PartialShard> incomplete = new TreeMap<>();

    /** Of each shard, the blocks that were here before or that somebody needs. */
    private final Map<Integer, BitSet> expected = new HashMap<>();

    /** Shards of which somebody has, or had, all that it needed. */
    private final Set<Integer> worthKeeping = new HashSet<>();

    /** Shards that came to be held in another way meanwhile, whose memory somebody may still read. */
    private final List<PartialShard> surplus = new ArrayList<>();

    ComingShards(StoredCheckpoint checkpoint) {
        this.checkpoint = checkpoint;
    }

    /** Memory is there for these. What is here of them was kept for somebody, and has been checked just now. */
    void add(List<PartialShard> shards) {
        for (var shard : shards) {
            var here = shard.blocks();
            incomplete.put(shard.index(), shard);
            expected.put(shard.index(), here);
            if (!here.isEmpty()) {
                worthKeeping.add(shard.index());
            }
        }
        shards.forEach(this::settle);
    }

    void expect(List<Part> parts) {
        for (var part : parts) {
            var blocks = expected.get(part.shard());
            if (blocks != null) {
                checkpoint.blocks(part.placements()).forEach(run -> blocks.set(run.first(), run.end()));
            }
        }
    }

    /**
     * All of a part has come.
     *
     * @return whether its shard is held from now on
     */
    boolean landed(Part part) {
        var shard = incomplete.get(part.shard());
        if (shard == null) {
            return false;
        }
        checkpoint.blocks(part.placements()).forEach(shard::came);
        return settle(shard);
    }

    private boolean settle(PartialShard shard) {
        if (!shard.isComplete()) {
            return false;
        }
        if (!checkpoint.came(shard)) {
            surplus.add(shard);
        }
        incomplete.remove(shard.index());
        return true;
    }

    SortedSet<Integer> indexes() {
        return new TreeSet<>(incomplete.keySet());
    }

    boolean areHere(List<BlockRun> runs) {
        for (var run : runs) {
            var shard = incomplete.get(run.shard());
            if (shard == null ? !checkpoint.holds(run.shard()) : !shard.isHere(run)) {
                return false;
            }
        }
        return true;
    }

    /** Whether blocks are here or somebody needs them. */
    boolean areExpected(List<BlockRun> runs) {
        for (var run : runs) {
            var blocks = expected.get(run.shard());
            boolean all = blocks != null && blocks.nextClearBit(run.first()) >= run.end();
            if (!all && !checkpoint.holds(run.shard())) {
                return false;
            }
        }
        return true;
    }

    /** What has not come of some parts: runs of blocks, each a part of its own. */
    List<Part> missing(List<Part> parts) {
        return parts.stream()
                .flatMap(part -> {
                    var shard = incomplete.get(part.shard());
                    return shard == null ? Stream.<Part>empty() : shard.missing(part).stream();
                })
                .toList();
    }

    /** @throws IllegalStateException if all of the part is here */
    ArenaBlock memory(Part part) {
        var shard = incomplete.get(part.shard());
        if (shard == null || shard.missing(part).isEmpty()) {
            throw new IllegalStateException("part " + part.index() + " of shard " + part.shard() + " is here");
        }
        return shard.memory().memory();
    }

    void satisfied(Need need) {
        worthKeeping.addAll(need.shards());
    }

    /**
     * Nothing more comes.
     *
     * @param keep whether what is worth keeping is kept
     * @return shards whose memory is of no more use
     */
    List<PartialShard> end(Replica replica, boolean keep) {
        var kept = incomplete.values().stream()
                .filter(shard -> keep && worthKeeping.contains(shard.index()) && !checkpoint.holds(shard.index()))
                .toList();
        var dropped = new ArrayList<>(surplus);
        incomplete.values().stream().filter(shard -> !kept.contains(shard)).forEach(dropped::add);
        checkpoint.ended(replica, kept, incomplete.keySet());
        incomplete.clear();
        return dropped;
    }
}
