package dev.inflight.protocol.checkpoint;

import dev.inflight.protocol.plan.Shard;
import dev.inflight.protocol.plan.Slice;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicInteger;

/** The sums of all blocks of one shard, slice by slice. Immutable. */
public final class BlockSums {
    private static final int MAGIC = 0x49464253; // "IFBS"
    private static final int HEADER_BYTES = 3 * Integer.BYTES;
    private static final int ENTRY_BYTES = Integer.BYTES + TensorDigest.BYTES;

    private final BlockIndex index;
    private final int[] crcs;
    private final long[] digests;

    private BlockSums(BlockIndex index) {
        this.index = index;
        this.crcs = new int[index.count()];
        this.digests = new long[Math.multiplyExact(2, index.count())];
    }

    /** The shard these are of. */
    public Shard shard() {
        return index.shard();
    }

    /** Number of blocks in the shard. */
    public int blocks() {
        return crcs.length;
    }

    /** First block of {@code shard().slices().get(slice)}; for the number of slices, {@link #blocks()}. */
    public int firstBlock(int slice) {
        return index.first(slice);
    }

    /**
     * First block of a part of one of the shard's slices, such as a bucket's.
     *
     * @throws IllegalArgumentException unless the part is a run of whole blocks of the shard
     */
    public int firstBlock(Slice part) {
        return index.firstOf(part);
    }

    public int crc(int block) {
        return crcs[block];
    }

    public TensorDigest digest(int block) {
        return new TensorDigest(digests[2 * block], digests[2 * block + 1]);
    }

    /**
     * Checks the CRC32C of every block of a part of one of the shard's slices.
     *
     * @param bytes holds the part from {@code offset}
     * @return where the first damaged block begins, counted in bytes from the tensor's start; empty if all are whole
     */
    public OptionalLong firstDamaged(Slice part, MemorySegment bytes, long offset) {
        int first = firstBlock(part);
        int count = (int) BlockHasher.blocks(part.bytes());
        for (int block = 0; block < count; block++) {
            long at = (long) block * BlockHasher.BLOCK_BYTES;
            if (BlockHasher.crc(bytes, offset + at, BlockIndex.bytes(part, block)) != crcs[first + block]) {
                return OptionalLong.of(part.begin() + at);
            }
        }
        return OptionalLong.empty();
    }

    /**
     * Big-endian: magic {@code IFBS}, shard, number of blocks; then for each block CRC32C and the digest's canonical
     * form.
     */
    public byte[] encode() {
        ByteBuffer out = ByteBuffer.allocate(Math.addExact(HEADER_BYTES, Math.multiplyExact(ENTRY_BYTES, crcs.length)));
        out.putInt(MAGIC).putInt(shard().index()).putInt(crcs.length);
        for (int block = 0; block < crcs.length; block++) {
            out.putInt(crcs[block]).putLong(digests[2 * block]).putLong(digests[2 * block + 1]);
        }
        return out.array();
    }

    /**
     * Reads what {@link #encode} wrote.
     *
     * @param shard the shard the sums must be of
     * @throws CheckpointException if they are not, or are malformed
     */
    public static BlockSums decode(Shard shard, byte[] encoded) {
        BlockSums sums = new BlockSums(new BlockIndex(shard));
        ByteBuffer in = ByteBuffer.wrap(encoded);
        if (encoded.length != HEADER_BYTES + (long) ENTRY_BYTES * sums.blocks()
                || in.getInt() != MAGIC
                || in.getInt() != shard.index()
                || in.getInt() != sums.blocks()) {
            throw new CheckpointException(
                    "block sums of shard " + shard.index(),
                    encoded.length + " bytes are not the sums of its " + sums.blocks() + " blocks");
        }
        for (int block = 0; block < sums.blocks(); block++) {
            sums.crcs[block] = in.getInt();
            sums.digests[2 * block] = in.getLong();
            sums.digests[2 * block + 1] = in.getLong();
        }
        return sums;
    }

    /** Collects the sums of a shard. Threads may share it if each puts other blocks and all end before the build. */
    public static final class Builder {
        private final BlockSums sums;
        private final AtomicInteger summed = new AtomicInteger();

        public Builder(Shard shard) {
            this.sums = new BlockSums(new BlockIndex(shard));
        }

        /**
         * Computes and keeps the sums of one block.
         *
         * @param slice position of the slice in the shard
         * @param block counted from the slice's first
         * @param bytes memory that holds the slice
         * @param offset where the slice's own first byte is in {@code bytes}
         */
        public void sum(int slice, int block, MemorySegment bytes, long offset) {
            long at = offset + (long) block * BlockHasher.BLOCK_BYTES;
            int length = BlockIndex.bytes(sums.shard().slices().get(slice), block);
            put(sums.firstBlock(slice) + block, BlockHasher.sum(bytes, at, length));
        }

        private void put(int block, BlockSum sum) {
            sums.crcs[block] = sum.crc();
            sums.digests[2 * block] = sum.digest().high();
            sums.digests[2 * block + 1] = sum.digest().low();
            summed.getAndIncrement();
        }

        /**
         * The sums; the builder must not be used afterwards.
         *
         * @throws IllegalStateException unless every block was summed once
         */
        public BlockSums build() {
            if (summed.get() != sums.blocks()) {
                throw new IllegalStateException(
                        summed + " blocks of shard " + sums.shard().index() + " were summed, it has " + sums.blocks());
            }
            return sums;
        }
    }
}
