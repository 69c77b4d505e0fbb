package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.ManifestCodec;
import dev.inflight.protocol.link.EngineShare;
import dev.inflight.protocol.link.SliceException;
import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.PlanException;
import dev.inflight.worker.transport.PartBytes;
import dev.inflight.worker.transport.PartKey;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What a host gives to other hosts, and tells them, of the checkpoints in its store: parts of shards that are here or on
 * their way, and what it knows of the rest. Blocks for as long as that takes; thread-safe.
 */
public final class PeerAnswers {
    private final String host;
    private final CheckpointTable table;
    private final Publications publications;
    private final Mender mender;

    /**
     * @param publications whose block sums may be asked for while this host still reads
     * @param mender puts right what is found to be damaged here
     */
    PeerAnswers(String host, CheckpointTable table, Publications publications, Mender mender) {
        this.host = host;
        this.table = table;
        this.publications = publications;
        this.mender = mender;
    }

    /**
     * @param key a {@link StoredCheckpoint#key}
     * @throws StoreException if this host does not know it
     */
    public StoredCheckpoint checkpoint(String key) {
        return table.byKey(key, host);
    }

    /** The encoded manifest. */
    public byte[] manifest(String digest) {
        return ManifestCodec.encode(table.byDigest(digest, host).manifest());
    }

    /**
     * Encoded block sums of one shard.
     *
     * @param key the id of a publication, whose sums are waited for while this host is still reading, or a
     *     {@link StoredCheckpoint#key}
     * @throws StoreException if this host neither knows it nor learns it in time
     */
    public byte[] blockSums(String key, int shard) throws InterruptedException {
        return CheckpointTable.isKey(key) ? checkpoint(key).sums(shard).encode() : publications.blockSums(key, shard);
    }

    /**
     * Encoded digests of what an engine must hold of one shard.
     *
     * @param key a {@link StoredCheckpoint#key}
     * @throws StoreException if the shard is not here, or a tensor can not be cut
     * @throws CorruptBlockException if its bytes are no longer what was published
     */
    public byte[] sliceDigests(String key, EngineShare share, int shard) throws InterruptedException {
        var checkpoint = checkpoint(key);
        if (!checkpoint.holds(shard)) {
            throw new StoreException("host " + host + " does not hold shard " + shard + " of " + key);
        }
        try {
            return new SliceDigests(checkpoint, share)
                    .compute(checkpoint.sharding().shards().get(shard));
        } catch (SliceException e) {
            throw new StoreException(String.valueOf(e.getMessage()), e);
        }
    }

    /**
     * A part of a shard. Waits until it is here if it is being replicated, or is about to be: of joins that begin together
     * one may ask another before that has begun.
     *
     * @param mappable whether the peer sees this host's shared memory
     * @param patience longest time in which the replica does not move
     * @return null if something of the shard is here, or comes, but not all of this part
     * @throws StoreException if nothing of the shard is here or comes
     */
    public @Nullable PartBytes part(PartKey key, boolean mappable, Duration patience) throws InterruptedException {
        var checkpoint = expected(key, patience);
        if (key.shard() < 0 || key.shard() >= checkpoint.sharding().count()) {
            throw new StoreException(key.checkpoint() + " has no shard " + key.shard());
        }
        var part = part(checkpoint, key);
        var replica = checkpoint.replica();
        if (replica != null && !checkpoint.holds(key.shard()) && !replica.await(part, patience)) {
            return null;
        }
        return isWhole(checkpoint, part) ? checkpoint.lease(part, mappable) : null;
    }

    /**
     * What is damaged here must not be found by every joiner anew.
     *
     * @return false if it is being mended
     */
    private boolean isWhole(StoredCheckpoint checkpoint, Part part) throws InterruptedException {
        if (!checkpoint.use()) {
            return true;
        }
        try {
            return checkpoint.damage(part) == null || mender.mendForPeer(checkpoint, part);
        } finally {
            checkpoint.endUse();
        }
    }

    private static Part part(StoredCheckpoint checkpoint, PartKey key) {
        try {
            return checkpoint.parts(key.shard()).run(key.begin(), key.bytes());
        } catch (PlanException e) {
            throw new StoreException(String.valueOf(e.getMessage()), e);
        }
    }

    /** @throws StoreException if it neither holds nor replicates the shard in time */
    private StoredCheckpoint expected(PartKey key, Duration patience) throws InterruptedException {
        var begun = table.begun();
        long deadline = System.nanoTime() + patience.toNanos();
        while (true) {
            long seen = begun.seen();
            long left = deadline - System.nanoTime();
            try {
                var checkpoint = checkpoint(key.checkpoint());
                if (left <= 0 || checkpoint.hasSome(key.shard()) || checkpoint.replica() != null) {
                    return checkpoint;
                }
            } catch (StoreException e) {
                if (left <= 0) {
                    throw e;
                }
            }
            begun.await(seen, left);
        }
    }
}
