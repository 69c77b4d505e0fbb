package dev.inflight.protocol.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.inflight.protocol.plan.Shard;
import dev.inflight.protocol.plan.Slice;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class BlockSumsTest {
    private static final int MIB = BlockHasher.BLOCK_BYTES;
    private static final Shard SHARD = new Shard(
            7,
            List.of(new Slice(1, 0, 10), new Slice(2, 0, 0), new Slice(3, 2L * MIB, 4L * MIB + 5), new Slice(9, 0, 1)));
    private static final byte[] BYTES = bytes();

    @Test
    void numbersBlocksSliceBySlice() {
        BlockSums sums = sums();

        assertThat(sums.blocks()).isEqualTo(5);
        assertThat(sums.firstBlock(0)).isEqualTo(0);
        assertThat(sums.firstBlock(1)).isEqualTo(1);
        assertThat(sums.firstBlock(2)).isEqualTo(1);
        assertThat(sums.firstBlock(3)).isEqualTo(4);
        assertThat(sums.firstBlock(4)).isEqualTo(5);
        assertThat(sums.firstBlock(new Slice(3, 3L * MIB, 4L * MIB))).isEqualTo(2);
        assertThat(sums.firstBlock(new Slice(3, 4L * MIB, 4L * MIB + 5))).isEqualTo(3);
    }

    @Test
    void refusesPartsThatAreNoRunOfItsBlocks() {
        BlockSums sums = sums();
        for (Slice part : List.of(
                new Slice(0, 0, 1),
                new Slice(1, 0, 11),
                new Slice(1, 0, 9),
                new Slice(3, 0, 2L * MIB),
                new Slice(3, MIB, 3L * MIB),
                new Slice(3, 2L * MIB + 1, 3L * MIB),
                new Slice(4, 0, 1))) {
            assertThatIllegalArgumentException().isThrownBy(() -> sums.firstBlock(part));
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new BlockSums.Builder(new Shard(0, List.of(new Slice(0, 5, 6)))));
    }

    @Test
    void survivesTheWire() {
        BlockSums sums = sums();

        BlockSums decoded = BlockSums.decode(SHARD, sums.encode());

        assertThat(decoded.encode()).isEqualTo(sums.encode());
        assertThat(decoded.crc(3)).isEqualTo(sums.crc(3));
        assertThat(decoded.digest(3)).isEqualTo(sums.digest(3));
    }

    @Test
    void refusesSumsOfAnotherShardOrLength() {
        byte[] encoded = sums().encode();
        byte[] magic = encoded.clone();
        magic[0]++;

        refuses(SHARD, Arrays.copyOf(encoded, encoded.length - 1));
        refuses(SHARD, Arrays.copyOf(encoded, 3));
        refuses(SHARD, magic);
        refuses(new Shard(8, SHARD.slices()), encoded);
        refuses(new Shard(7, SHARD.slices().subList(0, 3)), encoded);
    }

    @Test
    void findsTheDamagedBlock() {
        BlockSums sums = sums();
        byte[] damaged = BYTES.clone();
        damaged[10 + MIB] ^= 1;
        Slice whole = SHARD.slices().get(2);
        Slice firstOnly = new Slice(3, 2L * MIB, 3L * MIB);

        assertThat(sums.firstDamaged(whole, MemorySegment.ofArray(BYTES), 10)).isEmpty();
        assertThat(sums.firstDamaged(whole, MemorySegment.ofArray(damaged), 10)).hasValue(3L * MIB);
        assertThat(sums.firstDamaged(firstOnly, MemorySegment.ofArray(damaged), 10))
                .isEmpty();
    }

    @Test
    void areOnlyBuiltWhole() {
        BlockSums.Builder builder = new BlockSums.Builder(SHARD);
        builder.sum(0, 0, MemorySegment.ofArray(BYTES), 0);

        assertThatIllegalStateException()
                .isThrownBy(builder::build)
                .withMessage("1 blocks of shard 7 were summed, it has 5");
    }

    private static BlockSums sums() {
        BlockSums.Builder builder = new BlockSums.Builder(SHARD);
        MemorySegment memory = MemorySegment.ofArray(BYTES);
        builder.sum(0, 0, memory, 0);
        builder.sum(2, 1, memory, 10);
        builder.sum(2, 2, memory, 10);
        builder.sum(2, 0, memory, 10);
        builder.sum(3, 0, memory, 15 + 2L * MIB);
        return builder.build();
    }

    private static byte[] bytes() {
        byte[] bytes = new byte[16 + 2 * MIB];
        new Random(1).nextBytes(bytes);
        return bytes;
    }

    private static void refuses(Shard shard, byte[] encoded) {
        assertThatExceptionOfType(CheckpointException.class)
                .isThrownBy(() -> BlockSums.decode(shard, encoded))
                .withMessageStartingWith("block sums of shard " + shard.index() + ": ");
    }
}
