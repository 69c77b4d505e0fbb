package dev.inflight.protocol.plan;

import java.util.List;

/**
 * The unit of replication: a run of whole blocks of one shard, with the padding between them, as they lie in the
 * shard's memory; one of those that {@link ShardParts} cuts, or a shorter run within one.
 *
 * @param shard index of the shard
 * @param index position among the shard's parts of that one, or of the one that it is within
 * @param offset first byte in the shard's memory
 * @param bytes length there, padding between slices included
 * @param placements runs of whole blocks and their offsets, counted from the part's first byte
 */
public record Part(int shard, int index, long offset, long bytes, List<Placement> placements) {
    public Part {
        placements = List.copyOf(placements);
    }

    /** Tells it from the other parts that its checkpoint is cut into; comparing placements would take long. */
    public long id() {
        return (long) shard << Integer.SIZE | index;
    }
}
