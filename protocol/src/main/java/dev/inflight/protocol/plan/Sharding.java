package dev.inflight.protocol.plan;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.checkpoint.TensorSpec;
import java.util.ArrayList;
import java.util.List;

/**
 * How a checkpoint is divided over shards: every byte of every tensor lies in exactly one slice of one shard.
 *
 * <p>The largest modules go first, each to the shard with the least bytes. A module that would lift that shard above the
 * mean is split (experts, then projections, then weights with their scales), unless it is smaller than 5 % of the mean.
 * So no shard is further from the mean than 5 % of it or the size of the largest unit that can not be split, whichever
 * is more; such a unit is a tensor with its scales, or {@code maxPartBytes} of it. Modules of equal size go round the
 * shards, so that shards streamed side by side deliver the model's layers in order.
 *
 * @param shards the shards, each at its own index; more shards than units leave some without slices
 */
public record Sharding(List<Shard> shards) {
    /** Slices of a split tensor begin at multiples of this many bytes, counted from the tensor's start. */
    public static final long PART_ALIGNMENT = 1 << 20;

    /** A unit of at most the mean divided by this may be placed above the mean. */
    private static final int TOLERANCE_DIVISOR = 20;

    public Sharding {
        shards = List.copyOf(shards);
    }

    /**
     * Divides a checkpoint.
     *
     * @param shardCount number of shards, at least 1
     * @param maxPartBytes a tensor larger than this may be split between shards, at multiples of this; itself a
     *     multiple of 1 MiB
     * @throws PlanException if a number is out of range
     */
    public static Sharding of(CheckpointLayout layout, int shardCount, long maxPartBytes) {
        if (shardCount < 1) {
            throw new PlanException("shard count is " + shardCount + "; it must be at least 1");
        }
        if (maxPartBytes < PART_ALIGNMENT || maxPartBytes % PART_ALIGNMENT != 0) {
            throw new PlanException(
                    "largest part is " + maxPartBytes + " bytes; it must be a positive multiple of 1 MiB");
        }
        return new ShardFiller(layout.tensors(), shardCount, maxPartBytes).fill();
    }

    /**
     * The largest part that keeps shards within 5 % of the mean whatever the sizes of single tensors, in bytes: a
     * twentieth of the mean, rounded down to 1 MiB but not to nothing.
     */
    public static long balancedPartBytes(long totalBytes, int shardCount) {
        long twentieth = totalBytes / shardCount / TOLERANCE_DIVISOR;
        return Math.max(PART_ALIGNMENT, twentieth - twentieth % PART_ALIGNMENT);
    }

    /** Number of shards. */
    public int count() {
        return shards.size();
    }

    static long toleratedBytes(long meanBytes) {
        return meanBytes / TOLERANCE_DIVISOR;
    }

    static List<Slice> wholeTensors(List<TensorSpec> tensors) {
        List<Slice> slices = new ArrayList<>(tensors.size());
        for (int i = 0; i < tensors.size(); i++) {
            slices.add(new Slice(i, 0, tensors.get(i).bytes()));
        }
        return slices;
    }
}
