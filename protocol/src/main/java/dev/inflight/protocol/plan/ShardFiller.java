package dev.inflight.protocol.plan;

import dev.inflight.protocol.checkpoint.TensorSpec;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;

/** One run of the algorithm that {@link Sharding} describes. */
final class ShardFiller {
    private static final Comparator<Slice> LAYOUT_ORDER =
            Comparator.comparingInt(Slice::tensor).thenComparingLong(Slice::begin);

    private final List<TensorSpec> tensors;
    private final long maxPartBytes;
    private final long mean;
    private final long tolerated;
    private final List<Load> loads;
    private final PriorityQueue<Load> leastLoaded;
    private final PriorityQueue<ModuleGroup> largest = new PriorityQueue<>(
            Comparator.comparingLong(ModuleGroup::bytes).reversed().thenComparingInt(ModuleGroup::firstTensor));

    ShardFiller(List<TensorSpec> tensors, int shardCount, long maxPartBytes) {
        this.tensors = tensors;
        this.maxPartBytes = maxPartBytes;
        List<Slice> whole = Sharding.wholeTensors(tensors);
        long total = whole.stream().mapToLong(Slice::bytes).sum();
        this.mean = Math.ceilDiv(total, (long) shardCount);
        this.tolerated = Sharding.toleratedBytes(mean);
        this.loads = new ArrayList<>(shardCount);
        this.leastLoaded = new PriorityQueue<>(
                shardCount, Comparator.<Load>comparingLong(load -> load.bytes).thenComparingInt(load -> load.shard));
        for (int i = 0; i < shardCount; i++) {
            Load load = new Load(i);
            loads.add(load);
            leastLoaded.add(load);
        }
        largest.addAll(ModuleGroup.modules(tensors, whole));
    }

    Sharding fill() {
        while (!largest.isEmpty()) {
            place(largest.remove());
        }
        return new Sharding(loads.stream().map(Load::toShard).toList());
    }

    private void place(ModuleGroup group) {
        Load target = leastLoaded.element();
        if (target.bytes + group.bytes() <= mean || group.bytes() <= tolerated) {
            addTo(group.slices(), group.bytes());
            return;
        }
        List<ModuleGroup> parts = group.split(tensors);
        if (parts.size() > 1) {
            largest.addAll(parts);
        } else {
            placeUnit(group);
        }
    }

    /** A weight with its scales. The scales go with the first part of a weight that is split. */
    private void placeUnit(ModuleGroup unit) {
        List<Slice> first = new ArrayList<>();
        List<Slice> divisible = new ArrayList<>();
        for (Slice slice : unit.slices()) {
            (slice.bytes() > maxPartBytes ? divisible : first).add(slice);
        }
        long firstBytes = first.stream().mapToLong(Slice::bytes).sum();
        for (Slice slice : divisible) {
            long begin = slice.begin();
            while (begin < slice.end()) {
                long end = Math.min(slice.end(), begin + partBytes(firstBytes));
                first.add(new Slice(slice.tensor(), begin, end));
                addTo(first, firstBytes + end - begin);
                first = new ArrayList<>();
                firstBytes = 0;
                begin = end;
            }
        }
        if (!first.isEmpty()) {
            addTo(first, firstBytes);
        }
    }

    /** As many parts as the least loaded shard takes up to the mean, so that a tensor is not cut more than needed. */
    private long partBytes(long companions) {
        long room = mean - leastLoaded.element().bytes - companions;
        return Math.max(1, room / maxPartBytes) * maxPartBytes;
    }

    private void addTo(List<Slice> slices, long bytes) {
        Load load = leastLoaded.remove();
        load.slices.addAll(slices);
        load.bytes += bytes;
        leastLoaded.add(load);
    }

    private static final class Load {
        private final int shard;
        private final List<Slice> slices = new ArrayList<>();
        private long bytes;

        private Load(int shard) {
            this.shard = shard;
        }

        private Shard toShard() {
            slices.sort(LAYOUT_ORDER);
            return new Shard(shard, joined());
        }

        /** Parts of one tensor that came to the same shard one after the other are one slice. */
        private List<Slice> joined() {
            List<Slice> joined = new ArrayList<>(slices.size());
            for (Slice slice : slices) {
                Slice last = joined.isEmpty() ? null : joined.getLast();
                if (last != null && last.tensor() == slice.tensor() && last.end() == slice.begin()) {
                    joined.set(joined.size() - 1, new Slice(last.tensor(), last.begin(), slice.end()));
                } else {
                    joined.add(slice);
                }
            }
            return joined;
        }
    }
}
