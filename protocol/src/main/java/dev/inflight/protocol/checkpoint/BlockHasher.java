package dev.inflight.protocol.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.zip.CRC32C;
import net.openhft.hashing.LongTupleHashFunction;

/**
 * CRC32C and XXH3-128 (seed 0, <a href="https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md">xxHash
 * specification</a>) of blocks. Native memory is read where it lies. Safe for use from many threads; the segment must
 * stay open until a call returns.
 */
public final class BlockHasher {
    /** Size of a block, counted from the tensor's start; a tensor's last block may be shorter. */
    public static final int BLOCK_BYTES = 1 << 20;

    private static final LongTupleHashFunction XXH3 = LongTupleHashFunction.xx128();

    private BlockHasher() {}

    /** Number of blocks in so many bytes. */
    public static long blocks(long bytes) {
        return Math.ceilDiv(bytes, (long) BLOCK_BYTES);
    }

    /** Both sums of a block. */
    public static BlockSum sum(MemorySegment segment, long offset, int bytes) {
        return new BlockSum(crc(segment, offset, bytes), digest(segment, offset, bytes));
    }

    /** CRC32C of a block. */
    public static int crc(MemorySegment segment, long offset, int bytes) {
        CRC32C crc = new CRC32C();
        crc.update(segment.asSlice(offset, bytes).asByteBuffer());
        return (int) crc.getValue();
    }

    /** XXH3-128 of a block. */
    public static TensorDigest digest(MemorySegment segment, long offset, int bytes) {
        MemorySegment block = segment.asSlice(offset, bytes);
        // By address, because a buffer would take the library through the JDK's internals.
        return digestOf(
                block.isNative()
                        ? XXH3.hashMemory(block.address(), bytes)
                        : XXH3.hashBytes(block.toArray(ValueLayout.JAVA_BYTE)));
    }

    /** XXH3-128 of all bytes. */
    public static TensorDigest digest(byte[] bytes) {
        return digestOf(XXH3.hashBytes(bytes));
    }

    private static TensorDigest digestOf(long[] lowThenHigh) {
        return new TensorDigest(lowThenHigh[1], lowThenHigh[0]);
    }
}
