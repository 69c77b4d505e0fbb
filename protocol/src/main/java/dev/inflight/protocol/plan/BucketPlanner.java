package dev.inflight.protocol.plan;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.checkpoint.TensorSpec;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Packs every owner's slices into buckets and lays the buckets out in rounds.
 *
 * <p>An owner sends its tensors in layout order. A module that fits in a slot is never divided between buckets; a larger
 * one is divided into experts, then projections, then weights with their scales; only a slice larger than a slot is cut,
 * at multiples of 1 MiB from its tensor's start. The number of rounds is what the owner that needs most buckets needs;
 * the others spread their units over as many buckets, so that all owners' links are busy in every round as far as their
 * units reach.
 */
public final class BucketPlanner {
    /** Every placement begins at a multiple of this many bytes from the slot's start. */
    public static final int ALIGNMENT = ModuleGroup.ALIGNMENT;

    /** Most placements in a bucket: keeps the frame that announces it to an engine far below its limit. */
    public static final int MAX_PLACEMENTS = 16384;

    private BucketPlanner() {}

    /**
     * Makes the plan of one update.
     *
     * @param owners who moves which shards, as {@link Ownership#assign} gives it
     * @param slotBytes capacity of a slot, a multiple of 1 MiB
     * @throws PlanException if the slot size is out of range or the owners do not cover every shard exactly once
     */
    public static UpdatePlan plan(CheckpointLayout layout, Sharding sharding, List<Owner> owners, long slotBytes) {
        if (slotBytes < Sharding.PART_ALIGNMENT || slotBytes % Sharding.PART_ALIGNMENT != 0) {
            throw new PlanException("slot size is " + slotBytes + " bytes; it must be a positive multiple of 1 MiB");
        }
        requireCover(sharding, owners);
        List<BucketPacking> packings = new ArrayList<>(owners.size());
        int rounds = 0;
        for (Owner owner : owners) {
            BucketPacking packing =
                    new BucketPacking(units(layout.tensors(), sharding, owner, slotBytes), slotBytes, MAX_PLACEMENTS);
            packings.add(packing);
            rounds = Math.max(rounds, packing.fewestBuckets());
        }
        return new UpdatePlan(owners, inRounds(packings, rounds), rounds, slotBytes);
    }

    private static List<Bucket> inRounds(List<BucketPacking> packings, int rounds) {
        List<List<List<Slice>>> contents = new ArrayList<>(packings.size());
        for (BucketPacking packing : packings) {
            contents.add(packing.pack(rounds));
        }
        List<Bucket> buckets = new ArrayList<>();
        for (int round = 0; round < rounds; round++) {
            for (int owner = 0; owner < contents.size(); owner++) {
                List<List<Slice>> own = contents.get(owner);
                if (round < own.size()) {
                    buckets.add(bucket(buckets.size(), round, owner, own.get(round)));
                }
            }
        }
        return buckets;
    }

    private static Bucket bucket(int index, int round, int owner, List<Slice> slices) {
        List<Placement> placements = new ArrayList<>(slices.size());
        long end = 0;
        for (Slice slice : slices) {
            long offset = ModuleGroup.align(end);
            placements.add(new Placement(slice, offset));
            end = offset + slice.bytes();
        }
        return new Bucket(index, round, owner, placements, end);
    }

    /** What must not be divided between buckets, in the order it is sent. */
    private static List<PackingUnit> units(List<TensorSpec> tensors, Sharding sharding, Owner owner, long slotBytes) {
        List<Slice> slices = new ArrayList<>();
        for (int shard : owner.shards()) {
            slices.addAll(sharding.shards().get(shard).slices());
        }
        if (owner.shards().size() > 1) {
            slices.sort(Comparator.comparingInt(Slice::tensor).thenComparingLong(Slice::begin));
        }
        List<PackingUnit> units = new ArrayList<>();
        List<ModuleGroup> modules = ModuleGroup.modules(tensors, slices);
        for (int module = 0; module < modules.size(); module++) {
            addUnits(tensors, modules.get(module), module, slotBytes, units);
        }
        return units;
    }

    private static void addUnits(
            List<TensorSpec> tensors, ModuleGroup group, int module, long slotBytes, List<PackingUnit> units) {
        if (group.alignedBytes() <= slotBytes && group.slices().size() <= MAX_PLACEMENTS) {
            units.add(new PackingUnit(group.slices(), module, group.alignedBytes()));
            return;
        }
        List<ModuleGroup> parts = group.split(tensors);
        if (parts.size() > 1) {
            parts.forEach(part -> addUnits(tensors, part, module, slotBytes, units));
            return;
        }
        for (Slice slice : group.slices()) {
            for (Slice piece : cut(slice, slotBytes)) {
                units.add(new PackingUnit(List.of(piece), module, ModuleGroup.align(piece.bytes())));
            }
        }
    }

    /** Cuts a slice into the fewest pieces that fit in a slot, of about equal size. */
    private static List<Slice> cut(Slice slice, long slotBytes) {
        if (slice.bytes() <= slotBytes) {
            return List.of(slice);
        }
        long pieces = Math.ceilDiv(slice.bytes(), slotBytes);
        long step =
                Math.ceilDiv(Math.ceilDiv(slice.bytes(), pieces), Sharding.PART_ALIGNMENT) * Sharding.PART_ALIGNMENT;
        List<Slice> cut = new ArrayList<>();
        for (long begin = slice.begin(); begin < slice.end(); begin += step) {
            cut.add(new Slice(slice.tensor(), begin, Math.min(slice.end(), begin + step)));
        }
        return cut;
    }

    private static void requireCover(Sharding sharding, List<Owner> owners) {
        Set<Integer> covered = new HashSet<>();
        for (Owner owner : owners) {
            for (int shard : owner.shards()) {
                if (shard < 0 || shard >= sharding.count()) {
                    throw new PlanException("worker %s owns shard %d of a checkpoint with %d shards"
                            .formatted(owner.worker(), shard, sharding.count()));
                }
                if (!covered.add(shard)) {
                    throw new PlanException(
                            "shard %d has two owners, one is worker %s".formatted(shard, owner.worker()));
                }
            }
        }
        for (int shard = 0; shard < sharding.count(); shard++) {
            if (!covered.contains(shard)) {
                throw new PlanException("shard %d has no owner".formatted(shard));
            }
        }
    }
}
