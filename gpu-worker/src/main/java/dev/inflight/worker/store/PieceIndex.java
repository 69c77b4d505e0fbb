package dev.inflight.worker.store;

import dev.inflight.protocol.plan.Sharding;
import dev.inflight.protocol.plan.Slice;
import java.util.Arrays;

/**
 * Finds which shard, and which slice of it, holds a range of a tensor. Almost every tensor is one piece, so this is an
 * array look-up. Immutable.
 */
final class PieceIndex {
    private final Sharding sharding;
    private final int[] firstPiece;
    private final int[] shards;
    private final int[] positions;

    /** A slice of a shard: its position among {@code Shard.slices()}. */
    record Piece(int shard, int position, Slice slice) {}

    PieceIndex(Sharding sharding, int tensors) {
        this.sharding = sharding;
        firstPiece = new int[tensors + 1];
        for (var shard : sharding.shards()) {
            for (var slice : shard.slices()) {
                firstPiece[slice.tensor() + 1]++;
            }
        }
        Arrays.parallelPrefix(firstPiece, Integer::sum);
        shards = new int[firstPiece[tensors]];
        positions = new int[firstPiece[tensors]];
        var next = Arrays.copyOf(firstPiece, tensors);
        for (var shard : sharding.shards()) {
            for (int position = 0; position < shard.slices().size(); position++) {
                int at = next[shard.slices().get(position).tensor()]++;
                shards[at] = shard.index();
                positions[at] = position;
            }
        }
    }

    /** @throws IllegalArgumentException if no one slice of a shard holds the whole range */
    Piece find(Slice range) {
        for (int at = firstPiece[range.tensor()]; at < firstPiece[range.tensor() + 1]; at++) {
            var slice = sharding.shards().get(shards[at]).slices().get(positions[at]);
            if (slice.begin() <= range.begin() && range.end() <= slice.end()) {
                return new Piece(shards[at], positions[at], slice);
            }
        }
        throw new IllegalArgumentException(range + " is in no slice of a shard");
    }
}
