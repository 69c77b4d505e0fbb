package dev.inflight.protocol.checkpoint;

import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.List;

/**
 * A 128-bit XXH3 value: of a block, or of a tensor. A tensor of at most one block has its block's; a larger one has the
 * XXH3 of its blocks' digests, one after the other in canonical form. Not a defence against forgery.
 *
 * @param high upper 64 bits
 * @param low lower 64 bits
 */
public record TensorDigest(long high, long low) {
    /** Length of the canonical form: big-endian, {@code high} first. */
    public static final int BYTES = 16;

    private static final HexFormat HEX = HexFormat.of();

    /** Digest of a tensor from the digests of all its blocks, in order. */
    public static TensorDigest ofBlocks(List<TensorDigest> blocks) {
        if (blocks.size() == 1) {
            return blocks.getFirst();
        }
        ByteBuffer canonical = ByteBuffer.allocate(Math.multiplyExact(blocks.size(), BYTES));
        blocks.forEach(block -> canonical.putLong(block.high).putLong(block.low));
        return BlockHasher.digest(canonical.array());
    }

    /** @throws IllegalArgumentException unless {@code hex} is 32 lower-case hex digits */
    public static TensorDigest parse(String hex) {
        if (hex.length() != 2 * BYTES || !hex.chars().allMatch(c -> (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            throw new IllegalArgumentException(
                    "digest must be 32 lower-case hex digits: " + CheckpointException.quote(hex));
        }
        return new TensorDigest(
                HexFormat.fromHexDigitsToLong(hex, 0, BYTES), HexFormat.fromHexDigitsToLong(hex, BYTES, 2 * BYTES));
    }

    /** 32 lower-case hex digits. */
    public String hex() {
        return HEX.toHexDigits(high) + HEX.toHexDigits(low);
    }

    @Override
    public String toString() {
        return hex();
    }
}
