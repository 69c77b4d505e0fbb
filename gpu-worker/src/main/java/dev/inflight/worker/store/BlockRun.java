package dev.inflight.worker.store;

/**
 * Neighbouring blocks of a shard, by their numbers there.
 *
 * @param end one past the last
 */
record BlockRun(int shard, int first, int end) {
    boolean isFollowedBy(BlockRun other) {
        return shard == other.shard && end == other.first;
    }

    BlockRun with(BlockRun next) {
        return new BlockRun(shard, first, next.end);
    }
}
