package dev.inflight.coordinator.fleet;

import dev.inflight.protocol.plan.ShardRange;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.List;

/** An immutable set of shard indexes. */
public final class ShardSet {
    public static final ShardSet EMPTY = new ShardSet(new BitSet());

    private final BitSet bits;

    private ShardSet(BitSet bits) {
        this.bits = bits;
    }

    public static ShardSet of(Collection<ShardRange> ranges) {
        BitSet bits = new BitSet();
        ranges.forEach(range -> bits.set(range.first(), range.last() + 1));
        return new ShardSet(bits);
    }

    /** All shards of a checkpoint with {@code count} of them. */
    public static ShardSet all(int count) {
        BitSet bits = new BitSet();
        bits.set(0, count);
        return new ShardSet(bits);
    }

    public static ShardSet ofIndexes(Collection<Integer> shards) {
        BitSet bits = new BitSet();
        shards.forEach(bits::set);
        return new ShardSet(bits);
    }

    public static ShardSet of(int shard) {
        BitSet bits = new BitSet();
        bits.set(shard);
        return new ShardSet(bits);
    }

    public ShardSet plus(ShardSet other) {
        BitSet union = (BitSet) bits.clone();
        union.or(other.bits);
        return new ShardSet(union);
    }

    public ShardSet minus(ShardSet other) {
        BitSet rest = (BitSet) bits.clone();
        rest.andNot(other.bits);
        return new ShardSet(rest);
    }

    public ShardSet and(ShardSet other) {
        BitSet both = (BitSet) bits.clone();
        both.and(other.bits);
        return new ShardSet(both);
    }

    public boolean isEmpty() {
        return bits.isEmpty();
    }

    public int size() {
        return bits.cardinality();
    }

    public int[] indexes() {
        return bits.stream().toArray();
    }

    /** The set as ascending runs. */
    public List<ShardRange> ranges() {
        List<ShardRange> ranges = new ArrayList<>();
        for (int first = bits.nextSetBit(0); first >= 0; ) {
            int end = bits.nextClearBit(first);
            ranges.add(new ShardRange(first, end - 1));
            first = bits.nextSetBit(end);
        }
        return List.copyOf(ranges);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof ShardSet set && set.bits.equals(bits);
    }

    @Override
    public int hashCode() {
        return bits.hashCode();
    }

    @Override
    public String toString() {
        return bits.toString();
    }
}
