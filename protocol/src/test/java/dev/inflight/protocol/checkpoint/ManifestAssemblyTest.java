package dev.inflight.protocol.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.inflight.protocol.checkpoint.TestTensors.TestTensor;
import dev.inflight.protocol.plan.Shard;
import dev.inflight.protocol.plan.Slice;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import net.openhft.hashing.LongTupleHashFunction;
import org.junit.jupiter.api.Test;

class ManifestAssemblyTest {
    private static final int MIB = BlockHasher.BLOCK_BYTES;

    @Property(tries = 60)
    void digestsAreThoseOfWholeTensorsHoweverTheCheckpointIsSplit(
            @ForAll @Size(max = 5) List<@IntRange(max = 4 * MIB) Integer> sizes,
            @ForAll @IntRange(min = 1, max = 4) int shards,
            @ForAll long seed) {
        byte[] file = file(sizes, seed);
        CheckpointLayout layout = CheckpointLayout.of(List.of(TestTensors.parse("f", file)));
        MemorySegment memory = MemorySegment.ofArray(file);

        Manifest manifest =
                ManifestAssembly.assemble(layout, sums(layout, memory, randomShards(layout, shards, new Random(seed))));
        Manifest unsharded = ManifestAssembly.assemble(layout, sums(layout, memory, List.of(wholeTensors(layout))));

        assertThat(manifest.digests()).isEqualTo(naiveDigests(layout, file));
        assertThat(unsharded).isEqualTo(manifest);
        assertThat(unsharded.digest()).isEqualTo(manifest.digest());
    }

    @Test
    void refusesShardsThatDoNotCoverEveryBlockOnce() {
        byte[] file = file(List.of(3 * MIB), 1);
        CheckpointLayout layout = CheckpointLayout.of(List.of(TestTensors.parse("f", file)));
        MemorySegment memory = MemorySegment.ofArray(file);
        Shard head = new Shard(0, List.of(new Slice(0, 0, 2L * MIB)));
        Shard tail = new Shard(1, List.of(new Slice(0, MIB, 3L * MIB)));

        assertThatIllegalArgumentException()
                .isThrownBy(() -> ManifestAssembly.assemble(layout, sums(layout, memory, List.of(head))))
                .withMessage("block 2 of tensor t0 is in no shard");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ManifestAssembly.assemble(layout, sums(layout, memory, List.of(head, tail))))
                .withMessage("block 1 of tensor t0 is in two shards");
    }

    private static byte[] file(List<Integer> sizes, long seed) {
        Random random = new Random(seed);
        List<TestTensor> tensors = new ArrayList<>();
        for (int size : sizes) {
            byte[] bytes = new byte[size];
            random.nextBytes(bytes);
            tensors.add(new TestTensor("t" + tensors.size(), Dtype.U8, List.of((long) size), bytes));
        }
        return new TestTensors(tensors).file();
    }

    private static Shard wholeTensors(CheckpointLayout layout) {
        List<Slice> slices = new ArrayList<>();
        for (TensorSpec tensor : layout.tensors()) {
            slices.add(new Slice(slices.size(), 0, tensor.bytes()));
        }
        return new Shard(0, slices);
    }

    private static List<Shard> randomShards(CheckpointLayout layout, int count, Random random) {
        List<List<Slice>> slices = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            slices.add(new ArrayList<>());
        }
        for (Slice whole : wholeTensors(layout).slices()) {
            long begin = 0;
            do {
                long end = Math.min(whole.end(), begin + (long) MIB * random.nextInt(1, 4));
                slices.get(random.nextInt(count)).add(new Slice(whole.tensor(), begin, end));
                begin = end;
            } while (begin < whole.end());
        }
        List<Shard> shards = new ArrayList<>();
        for (List<Slice> ofShard : slices) {
            ofShard.sort(Comparator.comparingInt(Slice::tensor).thenComparingLong(Slice::begin));
            shards.add(new Shard(shards.size(), ofShard));
        }
        return shards.reversed();
    }

    private static List<BlockSums> sums(CheckpointLayout layout, MemorySegment file, List<Shard> shards) {
        return shards.stream()
                .map(shard -> {
                    BlockSums.Builder builder = new BlockSums.Builder(shard);
                    for (int i = 0; i < shard.slices().size(); i++) {
                        Slice slice = shard.slices().get(i);
                        long offset = layout.tensors().get(slice.tensor()).begin() + slice.begin();
                        for (int block = 0; block < BlockHasher.blocks(slice.bytes()); block++) {
                            builder.sum(i, block, file, offset);
                        }
                    }
                    return builder.build();
                })
                .toList();
    }

    /** As the manifest's definition reads, on whole tensors. */
    private static List<TensorDigest> naiveDigests(CheckpointLayout layout, byte[] file) {
        LongTupleHashFunction xxh3 = LongTupleHashFunction.xx128();
        List<TensorDigest> digests = new ArrayList<>();
        for (TensorSpec tensor : layout.tensors()) {
            int begin = (int) tensor.begin();
            int bytes = (int) tensor.bytes();
            long[] hash;
            if (bytes <= MIB) {
                hash = xxh3.hashBytes(file, begin, bytes);
            } else {
                ByteBuffer blocks = ByteBuffer.allocate((bytes + MIB - 1) / MIB * 16);
                for (int at = 0; at < bytes; at += MIB) {
                    long[] block = xxh3.hashBytes(file, begin + at, Math.min(MIB, bytes - at));
                    blocks.putLong(block[1]).putLong(block[0]);
                }
                hash = xxh3.hashBytes(blocks.array());
            }
            digests.add(new TensorDigest(hash[1], hash[0]));
        }
        return digests;
    }
}
