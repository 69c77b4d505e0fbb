package dev.inflight.worker.update;

import dev.inflight.protocol.cluster.Damage.Place;
import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.Placement;
import dev.inflight.protocol.plan.Slice;
import dev.inflight.worker.store.CorruptBlockException;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.transport.DamagedChunkException;
import dev.inflight.worker.transport.PeerException;
import java.util.List;

/**
 * Buckets that come damaged from another worker. Nothing more is taken from an owner that can be replaced: the bucket then
 * comes out of host stores, like those of an owner that is lost.
 */
final class DamagedArrival {
    private final RemoteOwner owner;
    private final StoredCheckpoint checkpoint;
    private final DamageLog log;

    DamagedArrival(RemoteOwner owner, StoredCheckpoint checkpoint, DamageLog log) {
        this.owner = owner;
        this.checkpoint = checkpoint;
        this.log = log;
    }

    /** What to throw instead of a failed fetch: if a chunk was damaged on its way, the tensor is named. */
    UpdateException named(Bucket bucket, UpdateException failure) {
        if (!(failure.getCause() instanceof DamagedChunkException chunk)) {
            return failure;
        }
        var what = checkpoint.damaged(blockAt(bucket.placements(), chunk.offset()));
        log.awaits(bucket.index(), Place.WIRE, what);
        return owner.lost(
                "%s; on the way from %s: %s".formatted(what.getMessage(), owner.worker(), chunk.getMessage()), chunk);
    }

    /** What to throw if a bucket that has landed is not what was published. */
    UpdateException landed(Bucket bucket, CorruptBlockException damage) {
        log.awaits(bucket.index(), Place.SLOT, damage);
        var message = damage.getMessage() + "; it came so from " + owner.worker();
        return owner.lost(message, new PeerException(message, damage));
    }

    /**
     * The first block of a bucket or part that may have been in a chunk.
     *
     * @param offset the chunk's first byte
     */
    static Slice blockAt(List<Placement> placements, long offset) {
        var found = placements.getFirst();
        for (var placement : placements) {
            if (placement.offset() <= offset) {
                found = placement;
            }
        }
        var slice = found.slice();
        long into = Math.clamp(offset - found.offset(), 0, Math.max(0, slice.bytes() - 1));
        long begin = slice.begin() + into / StoredCheckpoint.BLOCK_BYTES * StoredCheckpoint.BLOCK_BYTES;
        return new Slice(slice.tensor(), begin, slice.end());
    }
}
