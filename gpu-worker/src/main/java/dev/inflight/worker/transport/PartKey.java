package dev.inflight.worker.transport;

/**
 * Names a part of a shard among hosts.
 *
 * @param checkpoint the checkpoint with its sharding, as in {@link PeerService#sliceDigests}
 * @param shard index of the shard
 * @param index index of the part in it
 */
public record PartKey(String checkpoint, int shard, int index) {
    @Override
    public String toString() {
        return "part " + index + " of shard " + shard;
    }
}
