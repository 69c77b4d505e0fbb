package dev.inflight.protocol.plan;

import dev.inflight.protocol.checkpoint.BlockHasher;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

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

    /**
     * A run of whole blocks within one part.
     *
     * @param begin its first byte in the shard's memory
     * @throws PlanException if these bytes are no such run
     */
    public Part run(long begin, long bytes) {
        long end = begin + bytes;
        if (begin >= 0 && bytes > 0 && end > begin && !parts.isEmpty()) {
            Part part = parts.get(lastBeginningBefore(begin + 1));
            List<Placement> within = new ArrayList<>();
            for (Placement placement : part.placements()) {
                clip(placement, begin - part.offset(), end - part.offset()).ifPresent(within::add);
            }
            if (!within.isEmpty() && isWhole(part, within, begin, end)) {
                return new Part(shard.index(), part.index(), begin, bytes, within);
            }
        }
        throw new PlanException(
                "%d bytes from byte %d are no run of blocks of shard %d".formatted(bytes, begin, shard.index()));
    }

    /** The bytes of a placement from one byte of its part to another, counted from the first of these. */
    private static Optional<Placement> clip(Placement placement, long begin, long end) {
        Slice whole = placement.slice();
        long from = Math.max(placement.offset(), begin);
        long to = Math.min(placement.offset() + whole.bytes(), end);
        long first = whole.begin() + from - placement.offset();
        return from >= to
                ? Optional.empty()
                : Optional.of(new Placement(new Slice(whole.tensor(), first, first + to - from), from - begin));
    }

    /** Whether the run begins with a block and ends with one, not in the midst of one or in padding. */
    private static boolean isWhole(Part part, List<Placement> within, long begin, long end) {
        Placement first = within.getFirst();
        Placement last = within.getLast();
        long lastByte = last.slice().end();
        return first.offset() == 0
                && last.offset() + last.slice().bytes() == end - begin
                && first.slice().begin() % BLOCK == 0
                && (lastByte % BLOCK == 0
                        || part.placements().stream()
                                .anyMatch(placement -> placement.slice().tensor()
                                                == last.slice().tensor()
                                        && placement.slice().end() == lastByte));
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
