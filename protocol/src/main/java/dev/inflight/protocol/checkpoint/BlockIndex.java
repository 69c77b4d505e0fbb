package dev.inflight.protocol.checkpoint;

import dev.inflight.protocol.plan.Shard;
import dev.inflight.protocol.plan.Slice;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;

/** Numbers the blocks of a shard: slice by slice, each slice's blocks in order. */
final class BlockIndex {
    private static final Comparator<Slice> LAYOUT_ORDER =
            Comparator.comparingInt(Slice::tensor).thenComparingLong(Slice::begin);

    private final Shard shard;
    private final int[] first;

    /** @throws IllegalArgumentException if a slice does not begin at a block */
    BlockIndex(Shard shard) {
        this.shard = shard;
        List<Slice> slices = shard.slices();
        this.first = new int[slices.size() + 1];
        for (int i = 0; i < slices.size(); i++) {
            Slice slice = slices.get(i);
            if (slice.begin() % BlockHasher.BLOCK_BYTES != 0) {
                throw new IllegalArgumentException(slice + " does not begin at a multiple of 1 MiB");
            }
            first[i + 1] = Math.toIntExact(first[i] + BlockHasher.blocks(slice.bytes()));
        }
    }

    Shard shard() {
        return shard;
    }

    /** Blocks in the shard. */
    int count() {
        return first[first.length - 1];
    }

    /** First block of the slice at a position in the shard. */
    int first(int slice) {
        return first[slice];
    }

    /** Length in bytes of a block, counted from the slice's first. */
    static int bytes(Slice slice, int block) {
        return (int) Math.min(BlockHasher.BLOCK_BYTES, slice.bytes() - (long) block * BlockHasher.BLOCK_BYTES);
    }

    /**
     * First block of a part of one of the shard's slices.
     *
     * @throws IllegalArgumentException if the part is not in the shard or does not consist of whole blocks
     */
    int firstOf(Slice part) {
        int found = Collections.binarySearch(shard.slices(), part, LAYOUT_ORDER);
        int position = found >= 0 ? found : -found - 2;
        if (position >= 0) {
            Slice whole = shard.slices().get(position);
            boolean wholeBlocks = part.begin() % BlockHasher.BLOCK_BYTES == 0
                    && (part.end() == whole.end() || part.end() % BlockHasher.BLOCK_BYTES == 0);
            if (whole.tensor() == part.tensor() && part.end() <= whole.end() && wholeBlocks) {
                return first[position] + (int) ((part.begin() - whole.begin()) / BlockHasher.BLOCK_BYTES);
            }
        }
        throw new IllegalArgumentException(part + " is no run of blocks of shard " + shard.index());
    }
}
