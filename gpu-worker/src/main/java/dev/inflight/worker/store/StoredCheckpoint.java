package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.BlockHasher;
import dev.inflight.protocol.checkpoint.BlockSums;
import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.checkpoint.Manifest;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.Placement;
import dev.inflight.protocol.plan.ShardParts;
import dev.inflight.protocol.plan.Sharding;
import dev.inflight.protocol.plan.Slice;
import dev.inflight.worker.transport.PartBytes;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

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
    private final PartialShards partial = new PartialShards();
    private final Map<Integer, ShardParts> parts = new ConcurrentHashMap<>();
    private final Leases leases = new Leases();
    private final List<ShardMemory> givenUp = new CopyOnWriteArrayList<>();
    private volatile @Nullable Replica replica;
    private volatile List<Membership.Host> others = List.of();

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

    /** Name of the host that knows it. */
    public String host() {
        return host;
    }

    /** Names it with its sharding among hosts. */
    public String key() {
        return CheckpointTable.key(ref);
    }

    /** How a shard is cut into parts. */
    public ShardParts parts(int shard) {
        return parts.computeIfAbsent(
                shard, index -> ShardParts.of(sharding.shards().get(index)));
    }

    /** The parts that hold a range of a tensor; none if the range is empty. */
    private List<Part> parts(Slice range) {
        if (range.bytes() == 0) {
            return List.of();
        }
        var piece = pieces.find(range);
        var cut = parts(piece.shard());
        long begin = cut.offsets().offset(piece.position())
                + range.begin()
                - piece.slice().begin();
        return cut.covering(begin, begin + range.bytes());
    }

    /** The parts that hold the bytes of some buckets, each once, in the buckets' order. */
    public List<Part> parts(List<Bucket> buckets) {
        var found = new LinkedHashMap<Long, Part>();
        for (var bucket : buckets) {
            for (var placement : bucket.placements()) {
                parts(placement.slice()).forEach(part -> found.putIfAbsent(part.id(), part));
            }
        }
        return List.copyOf(found.values());
    }

    /** What is being taken from other hosts, if anything is. */
    @Nullable
    Replica replica() {
        return replica;
    }

    void replicatedBy(Replica running) {
        replica = running;
    }

    /**
     * Memory for what somebody needs of shards that are neither held nor on their way.
     *
     * @throws RuntimeException with the numbers, if it can not be had
     */
    List<PartialShard> memoryFor(Need need, ArenaPool arenas) {
        return partial.bring(this, need, arenas);
    }

    /** @return false if the shard came to be held in another way */
    boolean came(PartialShard shard) {
        boolean first = holdIfAbsent(shard.index(), shard.memory());
        partial.ended(shard.index());
        return first;
    }

    /** Whether all of a bucket is of these shards. */
    public boolean isOf(Bucket bucket, Set<Integer> shards) {
        return blocks(bucket.placements()).stream().allMatch(run -> shards.contains(run.shard()));
    }

    /** A replica that has ended with these shards incomplete, of which some are kept as they are. */
    void ended(Replica which, Collection<PartialShard> kept, Collection<Integer> incomplete) {
        kept.forEach(partial::keep);
        incomplete.forEach(partial::ended);
        if (replica == which) {
            replica = null;
        }
    }

    /** Memory of this host that is spent on the shards held, on parts of others, and on shards that were given up. */
    long memoryBytes() {
        return memories().stream().mapToLong(ShardMemory::memoryBytes).sum() + partial.keptBytes();
    }

    private List<ShardMemory> memories() {
        var all = new ArrayList<>(held.values());
        all.addAll(givenUp);
        return all;
    }

    /** Whether some bytes are kept here. */
    boolean hasBytes() {
        return !held.isEmpty() || partial.areKept();
    }

    /** Whether nothing of it is here that would have to be freed, not even shards that were given up. */
    boolean isForgettable() {
        return !hasBytes() && givenUp.isEmpty();
    }

    /** Whether a shard, or some of it, is kept here. */
    boolean hasSome(int shard) {
        return holds(shard) || partial.isKept(shard);
    }

    /** Hosts that held shards of it when an update or a join last used it here. */
    List<Membership.Host> others() {
        return others;
    }

    public void alsoHeldBy(List<Membership.Host> hosts) {
        others = List.copyOf(hosts);
    }

    /** What is wrong with a part as it lies here; null if nothing is, or it is not here. */
    @Nullable
    CorruptBlockException damage(Part part) {
        var memory = held.get(part.shard());
        if (memory == null) {
            return null;
        }
        try (var here = memory.give(part, false, () -> {})) {
            check(part, here.bytes());
            return null;
        } catch (CorruptBlockException e) {
            return e;
        }
    }

    /**
     * Writes a part that has been checked over what is here.
     *
     * @return false if the shard is not in this host's own memory
     */
    boolean overwrite(Part part, MemorySegment right) {
        if (!(held.get(part.shard()) instanceof ShardMemory.Copied copied)) {
            return false;
        }
        copied.bytes(part).copyFrom(right);
        return true;
    }

    /** The shard is not held any more. Its memory stays until the checkpoint is released: somebody may be reading it. */
    void giveUp(int shard) {
        var memory = held.remove(shard);
        if (memory != null) {
            givenUp.add(memory);
        }
    }

    /**
     * Compares what was read again with what was published.
     *
     * @throws CorruptBlockException naming host, file, tensor and byte of the first block that differs
     */
    void requireSame(BlockSums again) {
        var expected = sums.get(again.shard().index());
        var slices = again.shard().slices();
        for (int position = 0; position < slices.size(); position++) {
            var slice = slices.get(position);
            int first = again.firstBlock(position);
            for (int block = first; block < again.firstBlock(position + 1); block++) {
                if (again.crc(block) != expected.crc(block)
                        || !again.digest(block).equals(expected.digest(block))) {
                    throw corrupt(slice, slice.begin() + (long) (block - first) * BLOCK_BYTES);
                }
            }
        }
    }

    /**
     * Keeps the bytes that are here from being freed until {@link #endUse}.
     *
     * @return false if they are about to be freed
     */
    public boolean use() {
        return leases.take();
    }

    public void endUse() {
        leases.giveBack();
    }

    /** Whether somebody is being given parts of it or uses it. */
    boolean inUse() {
        return leases.areOut() || replica != null;
    }

    /** What is known of it, without its bytes. */
    StoredCheckpoint withoutShards() {
        return new StoredCheckpoint(host, ref, manifest, sharding, sums);
    }

    /** Forgets the bytes, which are freed when nobody is being given parts of them any more. */
    void release(Consumer<Collection<ShardMemory>> free) {
        var running = replica;
        if (running != null) {
            running.fail(ref.model() + " " + ref.version() + " was released on host " + host);
        }
        var memories = memories();
        memories.addAll(partial.release());
        held.clear();
        givenUp.clear();
        leases.retire(() -> free.accept(memories));
    }

    /**
     * A part as it is here, for as long as the lease is open.
     *
     * @param mappable whether the asker sees this host's shared memory
     * @return null if some of the shard is here, but not this
     * @throws StoreException if nothing of the shard is here
     */
    @Nullable
    PartBytes lease(Part part, boolean mappable) {
        if (!leases.take()) {
            throw absent(part.shard());
        }
        var some = held.containsKey(part.shard()) ? null : partial.find(part.shard());
        if (some != null && some.leases().take()) {
            return given(part, some, mappable, () -> {
                some.leases().giveBack();
                leases.giveBack();
            });
        }
        var memory = held.get(part.shard());
        if (memory != null) {
            return given(part, memory, mappable, leases::giveBack);
        }
        leases.giveBack();
        throw absent(part.shard());
    }

    private @Nullable PartBytes given(Part part, PartialShard shard, boolean mappable, Runnable release) {
        if (blocks(part.placements()).stream().allMatch(shard::isHere)) {
            return given(part, shard.memory(), mappable, release);
        }
        release.run();
        return null;
    }

    private static PartBytes given(Part part, ShardMemory memory, boolean mappable, Runnable release) {
        try {
            return memory.give(part, mappable, release);
        } catch (RuntimeException e) {
            release.run();
            throw e;
        }
    }

    StoreException absent(int shard) {
        return new StoreException(
                "host " + host + " does not hold shard " + shard + " of " + ref.model() + " " + ref.version());
    }

    private @Nullable ShardMemory memory(int shard) {
        var known = held.get(shard);
        if (known != null) {
            return known;
        }
        var come = partial.coming(shard);
        // It may have become complete in between.
        return come == null ? held.get(shard) : come.memory();
    }

    /** Forgets what is kept of a shard that is held in other memory. */
    void dropPartial(int shard, ArenaPool arenas) {
        partial.drop(shard, arenas);
    }

    /** @return false if the shard is held already */
    boolean holdIfAbsent(int shard, ShardMemory memory) {
        return held.putIfAbsent(shard, memory) == null;
    }

    /** Whether all bytes of a shard are here. */
    public boolean holds(int shard) {
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
        var memory = memory(piece.shard());
        if (memory == null) {
            throw new IllegalStateException(absent(piece.shard()).getMessage());
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
            if (!(memory(piece.shard()) instanceof ShardMemory.Copied copied)) {
                return Optional.empty();
            }
            var memory = copied.memory();
            long begin = memory.base()
                    + copied.offset(piece.position())
                    + placement.slice().begin()
                    - piece.slice().begin()
                    - placement.offset();
            var range = new ArenaRange(memory.file().segment(), memory.path(), begin, bucket.bytes());
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
        check(bucket.placements(), bytes);
    }

    /** The same for a part of a shard, as it lies in the shard's memory. */
    public void check(Part part, MemorySegment bytes) {
        check(part.placements(), bytes);
    }

    private void check(List<Placement> placements, MemorySegment bytes) {
        for (var placement : placements) {
            blocks(placement.slice()).checkAll(bytes, placement.offset());
        }
    }

    /** The blocks of runs of them, neighbours together. */
    List<BlockRun> blocks(List<Placement> placements) {
        var runs = new ArrayList<BlockRun>();
        for (var placement : placements) {
            var slice = placement.slice();
            if (slice.bytes() > 0) {
                int shard = pieces.find(slice).shard();
                int first = sums.get(shard).firstBlock(slice);
                var run = new BlockRun(shard, first, first + (int) BlockHasher.blocks(slice.bytes()));
                boolean neighbour = !runs.isEmpty() && runs.getLast().isFollowedBy(run);
                runs.add(neighbour ? runs.removeLast().with(run) : run);
            }
        }
        return runs;
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

        private CorruptBlockException corrupt(long at) {
            return StoredCheckpoint.this.corrupt(range, at);
        }
    }

    /** @param at the damaged block's first byte, counted from the tensor's */
    private CorruptBlockException corrupt(Slice range, long at) {
        var tensor = layout().tensors().get(range.tensor());
        var file = layout().files().get(tensor.file()).name();
        return new CorruptBlockException(host, file, tensor.name(), at, ref.model() + " " + ref.version());
    }

    /** What a block that was damaged on its way to this host is called. */
    public CorruptBlockException damaged(Slice block) {
        return corrupt(block, block.begin());
    }
}
