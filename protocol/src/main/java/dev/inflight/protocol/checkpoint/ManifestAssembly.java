package dev.inflight.protocol.checkpoint;

import dev.inflight.protocol.plan.Slice;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Puts the block sums of all shards together to the manifest. */
public final class ManifestAssembly {
    private final CheckpointLayout layout;
    private final @Nullable TensorDigest[][] blocks;

    private ManifestAssembly(CheckpointLayout layout) {
        this.layout = layout;
        this.blocks = new TensorDigest[layout.tensors().size()][];
        for (int tensor = 0; tensor < blocks.length; tensor++) {
            blocks[tensor] = new TensorDigest
                    [Math.toIntExact(
                            BlockHasher.blocks(layout.tensors().get(tensor).bytes()))];
        }
    }

    /**
     * Builds the manifest. How the checkpoint was split into shards leaves no trace in it.
     *
     * @param layout the checkpoint's layout
     * @param shards the sums of all its shards, in any order
     * @throws IllegalArgumentException unless every block of every tensor is in exactly one shard
     */
    public static Manifest assemble(CheckpointLayout layout, List<BlockSums> shards) {
        ManifestAssembly assembly = new ManifestAssembly(layout);
        shards.forEach(assembly::add);
        List<TensorDigest> digests = new ArrayList<>(assembly.blocks.length);
        for (int tensor = 0; tensor < assembly.blocks.length; tensor++) {
            digests.add(assembly.digest(tensor));
        }
        return new Manifest(layout, digests);
    }

    private void add(BlockSums sums) {
        List<Slice> slices = sums.shard().slices();
        for (int position = 0; position < slices.size(); position++) {
            Slice slice = slices.get(position);
            long tensorBytes = layout.tensors().get(slice.tensor()).bytes();
            boolean wholeBlocks = slice.end() == tensorBytes || slice.end() % BlockHasher.BLOCK_BYTES == 0;
            if (slice.end() > tensorBytes || !wholeBlocks) {
                throw new IllegalArgumentException(slice + " is no run of blocks of a tensor of " + tensorBytes);
            }
            int first = (int) (slice.begin() / BlockHasher.BLOCK_BYTES);
            int from = sums.firstBlock(position);
            for (int block = from; block < sums.firstBlock(position + 1); block++) {
                put(slice.tensor(), first + block - from, sums.digest(block));
            }
        }
    }

    private void put(int tensor, int block, TensorDigest digest) {
        if (blocks[tensor][block] != null) {
            throw new IllegalArgumentException("block " + block + " of tensor "
                    + layout.tensors().get(tensor).name() + " is in two shards");
        }
        blocks[tensor][block] = digest;
    }

    private TensorDigest digest(int tensor) {
        List<@Nullable TensorDigest> ofTensor = Arrays.asList(blocks[tensor]);
        int missing = ofTensor.indexOf(null);
        if (missing >= 0) {
            throw new IllegalArgumentException("block " + missing + " of tensor "
                    + layout.tensors().get(tensor).name() + " is in no shard");
        }
        return TensorDigest.ofBlocks(List.of(blocks[tensor]));
    }
}
