package dev.inflight.worker.store;

import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.PlanException;
import dev.inflight.worker.transport.PartBytes;
import dev.inflight.worker.transport.PartKey;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** Gives peers parts of shards that are here, or on their way. Blocks; thread-safe. */
final class PartGiving {
    private final String host;
    private final CheckpointTable table;
    private final Changes begun;
    private final Mender mender;

    /**
     * @param begun told whenever something came to be held or replicated
     * @param mender puts right what is found to be damaged here
     */
    PartGiving(String host, CheckpointTable table, Changes begun, Mender mender) {
        this.host = host;
        this.table = table;
        this.begun = begun;
        this.mender = mender;
    }

    /** As {@link HostStore#part}. */
    @Nullable
    PartBytes part(PartKey key, boolean mappable, Duration patience) throws InterruptedException {
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
        long deadline = System.nanoTime() + patience.toNanos();
        while (true) {
            long seen = begun.seen();
            long left = deadline - System.nanoTime();
            try {
                var checkpoint = table.byKey(key.checkpoint(), host);
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
