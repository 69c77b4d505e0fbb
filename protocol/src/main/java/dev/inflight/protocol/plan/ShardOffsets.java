package dev.inflight.protocol.plan;

/** Where the slices of a shard lie in its memory: in the shard's order, each at a multiple of 256 bytes. Immutable. */
public final class ShardOffsets {
    /** Every slice's offset is a multiple of this, in bytes. */
    public static final int ALIGNMENT = 256;

    private final long[] offsets;

    private ShardOffsets(long[] offsets) {
        this.offsets = offsets;
    }

    public static ShardOffsets of(Shard shard) {
        long[] offsets = new long[shard.slices().size() + 1];
        for (int i = 0; i < shard.slices().size(); i++) {
            Slice slice = shard.slices().get(i);
            offsets[i + 1] = Math.ceilDiv(offsets[i] + slice.bytes(), (long) ALIGNMENT) * ALIGNMENT;
        }
        return new ShardOffsets(offsets);
    }

    /** First byte of the slice at a position in the shard. */
    public long offset(int slice) {
        return offsets[slice];
    }

    /** Memory that the shard takes, padding between and after slices included. */
    public long bytes() {
        return offsets[offsets.length - 1];
    }
}
