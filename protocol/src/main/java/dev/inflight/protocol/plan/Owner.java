package dev.inflight.protocol.plan;

import java.util.List;

/**
 * A worker that moves buckets of the shards it owns in one update.
 *
 * @param worker the worker's id
 * @param shards indexes of the shards it moves, ascending
 */
public record Owner(String worker, List<Integer> shards) {
    public Owner {
        shards = List.copyOf(shards);
    }
}
