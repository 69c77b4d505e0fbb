package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.BlockHasher;
import dev.inflight.protocol.checkpoint.BlockSums;
import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.ShardParts;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/** Memory for a shard, and which of its blocks are here. A block that is here stays as it is. Thread-safe. */
final class PartialShard {
    private static final long BLOCK = BlockHasher.BLOCK_BYTES;

    private final ShardParts parts;
    private final ShardMemory.Copied memory;
    private final BlockSums sums;
    private final Leases leases = new Leases();
    private final BitSet here = new BitSet();

    PartialShard(ShardParts parts, ShardMemory.Copied memory, BlockSums sums) {
        this.parts = parts;
        this.memory = memory;
        this.sums = sums;
    }

    int index() {
        return parts.shard().index();
    }

    ShardMemory.Copied memory() {
        return memory;
    }

    /** Keep the memory from being freed while somebody reads it, unless the checkpoint's own do. */
    Leases leases() {
        return leases;
    }

    /** Gives the memory back as soon as nobody reads it any more. */
    void free(ArenaPool arenas) {
        leases.retire(() -> arenas.give(memory.memory()));
    }

    synchronized boolean isHere(BlockRun run) {
        return here.nextClearBit(run.first()) >= run.end();
    }

    synchronized void came(BlockRun run) {
        here.set(run.first(), run.end());
    }

    synchronized boolean isComplete() {
        return here.cardinality() == sums.blocks();
    }

    /** The blocks that are here by now. */
    synchronized BitSet blocks() {
        return (BitSet) here.clone();
    }

    /**
     * Checks the blocks that are here. Those that are no longer what was published are not here any more.
     *
     * @return how many these are
     */
    synchronized int forgetDamaged() {
        int forgotten = 0;
        var slices = parts.shard().slices();
        for (int position = 0; position < slices.size(); position++) {
            var bytes = memory.slice(position);
            int first = sums.firstBlock(position);
            for (int block = here.nextSetBit(first);
                    block >= 0 && block < sums.firstBlock(position + 1);
                    block = here.nextSetBit(block + 1)) {
                long at = (block - first) * BLOCK;
                int length = (int) Math.min(BLOCK, bytes.byteSize() - at);
                if (BlockHasher.crc(bytes, at, length) != sums.crc(block)) {
                    here.clear(block);
                    forgotten++;
                }
            }
        }
        return forgotten;
    }

    /** What of a part is not here: runs of blocks, each a part of its own, in order. */
    synchronized List<Part> missing(Part part) {
        var missing = new ArrayList<Part>();
        long begin = 0;
        long end = 0;
        for (var placed : part.placements()) {
            int first = sums.firstBlock(placed.slice());
            for (int block = 0; block < BlockHasher.blocks(placed.slice().bytes()); block++) {
                long at = part.offset() + placed.offset() + block * BLOCK;
                if (here.get(first + block)) {
                    add(begin, end, missing);
                    end = 0;
                    continue;
                }
                begin = end == 0 ? at : begin;
                end = at + Math.min(BLOCK, placed.slice().bytes() - block * BLOCK);
            }
        }
        add(begin, end, missing);
        return missing;
    }

    /** Bytes of some parts that are not here. */
    long missing(List<Part> some) {
        return some.stream()
                .flatMap(part -> missing(part).stream())
                .mapToLong(Part::bytes)
                .sum();
    }

    private void add(long begin, long end, List<Part> to) {
        if (end > 0) {
            to.add(parts.run(begin, end - begin));
        }
    }
}
