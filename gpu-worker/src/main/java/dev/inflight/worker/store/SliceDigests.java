package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.BlockHasher;
import dev.inflight.protocol.checkpoint.TensorDigest;
import dev.inflight.protocol.link.EngineShare;
import dev.inflight.protocol.link.SliceException;
import dev.inflight.protocol.link.TensorSlice;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Shard;
import dev.inflight.protocol.plan.Slice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What an engine must hold of the tensors that it wants and has slices of: the XXH3-128 of its part of
 * each block of {@value StoredCheckpoint#BLOCK_BYTES} bytes. Blocks without a byte of the engine's have none.
 *
 * <p>For a peer, those of one shard are written one after the other in the order of its slices and their blocks, in
 * {@linkplain TensorDigest#BYTES canonical form}. One thread at a time.
 */
public final class SliceDigests {
    private static final int BLOCK = StoredCheckpoint.BLOCK_BYTES;

    private final StoredCheckpoint checkpoint;
    private final EngineShare share;
    private final Map<Integer, TensorSlice> cut = new HashMap<>();
    private final Map<Integer, @Nullable TensorDigest[]> digests = new HashMap<>();

    /** @throws SliceException naming a tensor that can not be cut */
    SliceDigests(StoredCheckpoint checkpoint, EngineShare share) throws SliceException {
        this.checkpoint = checkpoint;
        this.share = share;
        var tensors = checkpoint.layout().tensors();
        for (int tensor = 0; tensor < tensors.size(); tensor++) {
            var spec = tensors.get(tensor);
            if (!share.wants(spec.name())) {
                continue;
            }
            var slice = share.slice(spec.name(), spec.dtype(), spec.shape());
            if (!slice.isWhole()) {
                cut.put(tensor, slice);
            }
        }
    }

    /** The engine's slice of a tensor; null if it holds all of it or does not want it. */
    public @Nullable TensorSlice slice(int tensor) {
        return cut.get(tensor);
    }

    /**
     * The digest of the engine's part of one block.
     *
     * @param begin the block's first byte, counted from the tensor's
     */
    public TensorDigest digest(int tensor, long begin) {
        var ofTensor = digests.get(tensor);
        var digest = ofTensor == null ? null : ofTensor[Math.toIntExact(begin / BLOCK)];
        if (digest == null) {
            throw new IllegalStateException("no digest of tensor " + tensor + " from byte " + begin);
        }
        return digest;
    }

    /** Something to do with each block of a shard of which the engine holds at least a byte. */
    private interface EachBlock {
        void take(int tensor, TensorSlice slice, long from, long to) throws InterruptedException;
    }

    private void forEach(Shard shard, EachBlock each) throws InterruptedException {
        for (var piece : shard.slices()) {
            var slice = cut.get(piece.tensor());
            for (long from = piece.begin(); slice != null && from < piece.end(); from += BLOCK) {
                long to = Math.min(from + BLOCK, piece.end());
                if (slice.local(from) < slice.local(to)) {
                    each.take(piece.tensor(), slice, from, to);
                }
            }
        }
    }

    /**
     * Takes in those of all shards: of the ones that are held here from their bytes, of the others from their holders.
     *
     * @throws StoreException naming a shard that nobody holds, or a holder whose bytes are damaged
     * @throws CorruptBlockException if the bytes here are
     */
    void gather(Membership holders, SumsExchange exchange) throws InterruptedException {
        for (var shard : checkpoint.sharding().shards()) {
            if (bytes(shard) == 0) {
                continue;
            }
            int index = shard.index();
            add(
                    shard,
                    checkpoint.holds(index)
                            ? compute(shard)
                            : exchange.sliceDigests(endpoints(holders, index), checkpoint.key(), share, index));
        }
    }

    private static List<String> endpoints(Membership holders, int shard) {
        return holders.hosts().stream()
                .filter(one -> one.holds(shard))
                .map(Membership.Host::endpoint)
                .toList();
    }

    /** Size of a shard's digests. */
    private int bytes(Shard shard) throws InterruptedException {
        var blocks = new int[1];
        forEach(shard, (tensor, slice, from, to) -> blocks[0]++);
        return Math.multiplyExact(blocks[0], TensorDigest.BYTES);
    }

    /**
     * Computes those of a shard that is held here. Its bytes are not freed meanwhile.
     *
     * @throws StoreException if they are being freed already
     * @throws CorruptBlockException if the bytes here are no longer what was published
     */
    byte[] compute(Shard shard) throws InterruptedException {
        if (!checkpoint.use()) {
            throw new StoreException("the shards of " + checkpoint.key() + " are being freed; try again");
        }
        try {
            return hash(shard);
        } finally {
            checkpoint.endUse();
        }
    }

    private byte[] hash(Shard shard) throws InterruptedException {
        var out = ByteBuffer.allocate(bytes(shard));
        try (var arena = Arena.ofConfined()) {
            var gathered = arena.allocate(BLOCK);
            forEach(shard, (tensor, slice, from, to) -> {
                if (Thread.interrupted()) {
                    throw new InterruptedException("interrupted while hashing shard " + shard.index());
                }
                var range = new Slice(tensor, from, to);
                var block = checkpoint.bytes(range);
                checkpoint.blocks(range).check(0, block);
                gather(block, slice, from, to, gathered);
                int length = Math.toIntExact(slice.local(to) - slice.local(from));
                var digest = BlockHasher.digest(gathered, 0, length);
                out.putLong(digest.high()).putLong(digest.low());
            });
        }
        return out.array();
    }

    /** @param block bytes {@code from} to {@code to} of the tensor */
    private static void gather(MemorySegment block, TensorSlice slice, long from, long to, MemorySegment into) {
        long first = slice.local(from);
        for (var run : slice.runs(from, to)) {
            for (long row = 0; row < run.count(); row++) {
                long at = run.full() - from + row * run.stride();
                MemorySegment.copy(block, at, into, run.local() - first + row * run.length(), run.length());
            }
        }
    }

    /**
     * Takes in a shard's digests.
     *
     * @throws StoreException if they are not as many as the shard has
     */
    private void add(Shard shard, byte[] encoded) throws InterruptedException {
        if (encoded.length != bytes(shard)) {
            throw new StoreException("slice digests of shard " + shard.index() + " have " + encoded.length
                    + " bytes, not " + bytes(shard));
        }
        var in = ByteBuffer.wrap(encoded);
        forEach(
                shard,
                (tensor, slice, from, to) ->
                        digests.computeIfAbsent(tensor, this::blocksOf)[Math.toIntExact(from / BLOCK)] =
                                new TensorDigest(in.getLong(), in.getLong()));
    }

    private @Nullable TensorDigest[] blocksOf(int tensor) {
        long bytes = checkpoint.layout().tensors().get(tensor).bytes();
        return new TensorDigest[Math.toIntExact(BlockHasher.blocks(bytes))];
    }
}
