package dev.inflight.protocol.plan;

import dev.inflight.protocol.checkpoint.BlockHasher;
import java.util.ArrayList;
import java.util.List;

/**
 * Cuts the memory of a shard, as {@link ShardOffsets} lays it out, into parts that hosts ask each other for. A function
 * of the shard alone, so that all hosts number the same parts. Immutable.
 */
public final class ShardParts {
    /**
     * No part is longer, in bytes. A host passes a part on when all of it has come: of a chain of joins, each begins one
     * part's time after the one before it.
     */
    public static final long MOST_BYTES = 2 << 20;

    private static final long BLOCK = BlockHasher.BLOCK_BYTES;

    private final Shard shard;
    private final ShardOffsets offsets;
    private final List<Part> parts;

    private ShardParts(Shard shard) {
        this.shard = shard;
        this.offsets = ShardOffsets.of(shard);
        this.parts = List.copyOf(new Cutter().cut());
    }

    public static ShardParts of(Shard shard) {
        return new ShardParts(shard);
    }

    public Shard shard() {
        return shard;
    }

    /** Where the shard's slices lie. */
    public ShardOffsets offsets() {
        return offsets;
    }

    /** All parts in the order of their bytes; none if the shard has no bytes. */
    public List<Part> parts() {
        return parts;
    }

    /**
     * The parts that hold some bytes of the shard's memory.
     *
     * @param begin first byte
     * @param end one past the last
     */
    public List<Part> covering(long begin, long end) {
        if (begin >= end) {
            return List.of();
        }
        int last = lastBeginningBefore(end);
        int first = last;
        while (first > 0 && parts.get(first).offset() > begin) {
            first--;
        }
        return parts.subList(first, last + 1);
    }

    private int lastBeginningBefore(long end) {
        int low = 0;
        int high = parts.size() - 1;
        while (low < high) {
            int middle = (low + high + 1) >>> 1;
            if (parts.get(middle).offset() < end) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return low;
    }

    /** Adds block after block to the present part, and begins the next one when it would become too long. */
    private final class Cutter {
        private final List<Part> done = new ArrayList<>();
        private final List<Placement> placements = new ArrayList<>();
        private long begin;
        private long end;

        List<Part> cut() {
            for (int position = 0; position < shard.slices().size(); position++) {
                Slice whole = shard.slices().get(position);
                for (long from = whole.begin(); from < whole.end(); from += BLOCK) {
                    Slice block = new Slice(whole.tensor(), from, Math.min(from + BLOCK, whole.end()));
                    add(block, offsets.offset(position) + from - whole.begin());
                }
            }
            finish();
            return done;
        }

        private void add(Slice block, long at) {
            if (placements.isEmpty() || at + block.bytes() - begin > MOST_BYTES) {
                finish();
                begin = at;
            }
            Placement last = placements.isEmpty() ? null : placements.getLast();
            if (last != null
                    && last.slice().tensor() == block.tensor()
                    && last.slice().end() == block.begin()) {
                placements.removeLast();
                placements.add(
                        new Placement(new Slice(block.tensor(), last.slice().begin(), block.end()), last.offset()));
            } else {
                placements.add(new Placement(block, at - begin));
            }
            end = at + block.bytes();
        }

        private void finish() {
            if (!placements.isEmpty()) {
                done.add(new Part(shard.index(), done.size(), begin, end - begin, placements));
                placements.clear();
            }
        }
    }
}
