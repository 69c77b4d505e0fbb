package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.BlockHasher;
import dev.inflight.protocol.checkpoint.BlockSums;
import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.checkpoint.Manifest;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.Sharding;
import dev.inflight.protocol.plan.Slice;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A checkpoint as one host knows it: the manifest and the block sums of all shards, and the bytes of those it holds.
 * Thread-safe.
 */
public final class StoredCheckpoint {
    /** Size of the blocks that {@link #blocks} checks. */
    public static final int BLOCK_BYTES = BlockHasher.BLOCK_BYTES;

    private final String host;
    private final CheckpointRef ref;
    private final Manifest manifest;
    private final Sharding sharding;
    private final List<BlockSums> sums;
    private final PieceIndex pieces;
    private final Map<Integer, ShardMemory> held = new ConcurrentHashMap<>();

    /** @param sums block sums of every shard, by index */
    StoredCheckpoint(String host, CheckpointRef ref, Manifest manifest, Sharding sharding, List<BlockSums> sums) {
        this.host = host;
        this.ref = ref;
        this.manifest = manifest;
        this.sharding = sharding;
        this.sums = List.copyOf(sums);
        this.pieces = new PieceIndex(sharding, manifest.layout().tensors().size());
    }

    public CheckpointRef ref() {
        return ref;
    }

    public Manifest manifest() {
        return manifest;
    }

    public CheckpointLayout layout() {
        return manifest.layout();
    }

    public Sharding sharding() {
        return sharding;
    }

    BlockSums sums(int shard) {
        return sums.get(shard);
    }

    /** @return false if the shard is held already */
    boolean holdIfAbsent(int shard, ShardMemory memory) {
        return held.putIfAbsent(shard, memory) == null;
    }

    Map<Integer, ShardMemory> memories() {
        return held;
    }

    boolean holds(int shard) {
        return held.containsKey(shard);
    }

    /** Indexes of the shards whose bytes are here. */
    SortedSet<Integer> heldShards() {
        return new TreeSet<>(held.keySet());
    }

    /**
     * Bytes of a range of a tensor.
     *
     * @throws IllegalStateException if this host does not hold them
     */
    public MemorySegment bytes(Slice range) {
        var piece = pieces.find(range);
        var memory = held.get(piece.shard());
        if (memory == null) {
            throw new IllegalStateException("host " + host + " does not hold shard " + piece.shard() + " of "
                    + ref.model() + " " + ref.version());
        }
        return memory.slice(piece.position())
                .asSlice(range.begin() - piece.slice().begin(), range.bytes());
    }

    /**
     * Where a bucket lies in one of this host's arenas exactly as it would lie in a slot, padding included. Empty if it
     * does not: its slices are not neighbours there, or they are in the checkpoint's own files, which others may change.
     */
    public Optional<ArenaRange> inArena(Bucket bucket) {
        Optional<ArenaRange> found = Optional.empty();
        for (var placement : bucket.placements()) {
            var piece = pieces.find(placement.slice());
            if (!(held.get(piece.shard()) instanceof ShardMemory.Copied copied)) {
                return Optional.empty();
            }
            long begin = copied.offset(piece.position())
                    + placement.slice().begin()
                    - piece.slice().begin()
                    - placement.offset();
            var memory = copied.memory();
            var range = new ArenaRange(memory.segment(), memory.path(), begin, bucket.bytes());
            if (found.isPresent() && !found.get().equals(range)) {
                return Optional.empty();
            }
            found = Optional.of(range);
        }
        return found;
    }

    /**
     * Checks all blocks of a bucket.
     *
     * @param bytes the bucket as it lies in a slot
     * @throws CorruptBlockException naming host, file, tensor and byte of the first that is not what was published
     */
    public void check(Bucket bucket, MemorySegment bytes) {
        for (var placement : bucket.placements()) {
            blocks(placement.slice()).checkAll(bytes, placement.offset());
        }
    }

    /** What the blocks of a range must be. The range begins at a multiple of {@link #BLOCK_BYTES}. */
    public ExpectedBlocks blocks(Slice range) {
        var shardSums = sums.get(pieces.find(range).shard());
        return new ExpectedBlocks(range, shardSums, shardSums.firstBlock(range));
    }

    /** The CRC32C that publishing found for each block of a range. */
    public final class ExpectedBlocks {
        private final Slice range;
        private final BlockSums expected;
        private final int first;

        private ExpectedBlocks(Slice range, BlockSums expected, int first) {
            this.range = range;
            this.expected = expected;
            this.first = first;
        }

        /**
         * Checks one block.
         *
         * @param at the block's first byte, counted from the range's
         * @throws CorruptBlockException naming host, file, tensor and byte if it is not what was published
         */
        public void check(long at, MemorySegment block) {
            checkSum(at, BlockHasher.crc(block, 0, Math.toIntExact(block.byteSize())));
        }

        /** The same for who has computed the block's CRC32C elsewhere. */
        public void checkSum(long at, int crc) {
            if (crc != expected.crc(first + (int) (at / BLOCK_BYTES))) {
                throw corrupt(range.begin() + at);
            }
        }

        /**
         * Checks all blocks.
         *
         * @param bytes holds the range from {@code offset}
         * @throws CorruptBlockException naming host, file, tensor and byte of the first that is not what was published
         */
        public void checkAll(MemorySegment bytes, long offset) {
            expected.firstDamaged(range, bytes, offset).ifPresent(at -> {
                throw corrupt(at);
            });
        }

        /** @param at the damaged block's first byte, counted from the tensor's */
        private CorruptBlockException corrupt(long at) {
            var tensor = layout().tensors().get(range.tensor());
            return new CorruptBlockException(host
                    + ": " + layout().files().get(tensor.file()).name()
                    + ": tensor \"" + tensor.name() + "\": block at byte " + at
                    + " is not what was published as " + ref.model() + " " + ref.version());
        }
    }
}
