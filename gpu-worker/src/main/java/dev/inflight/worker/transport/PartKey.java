package dev.inflight.worker.transport;

/**
 * Names a part of a shard among hosts: whole blocks, as they lie in the shard's memory.
 *
 * @param checkpoint the checkpoint with its sharding, as in {@link PeerService#sliceDigests}
 * @param shard index of the shard
 * @param begin the part's first byte in the shard's memory
 * @param bytes length of the part
 */
public record PartKey(String checkpoint, int shard, long begin, long bytes) {
    @Override
    public String toString() {
        return "bytes " + begin + " to " + (begin + bytes) + " of shard " + shard;
    }
}
