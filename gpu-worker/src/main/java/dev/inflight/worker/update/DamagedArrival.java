package dev.inflight.worker.update;

import dev.inflight.protocol.cluster.Damage.Place;
import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.Slice;
import dev.inflight.worker.store.CorruptBlockException;
import dev.inflight.worker.store.DamageTally;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.transport.DamagedChunkException;
import dev.inflight.worker.transport.PeerException;

/**
 * Buckets that come damaged from another worker. Nothing more is taken from an owner that can be replaced: the bucket then
 * comes out of host stores, like those of an owner that is lost.
 */
final class DamagedArrival {
    private final RemoteOwner owner;
    private final StoredCheckpoint checkpoint;
    private final DamageLog log;
    private final DamageTally tally;

    DamagedArrival(RemoteOwner owner, StoredCheckpoint checkpoint, DamageLog log, DamageTally tally) {
        this.owner = owner;
        this.checkpoint = checkpoint;
        this.log = log;
        this.tally = tally;
    }

    /** What to throw instead of a failed fetch: if a chunk was damaged on its way, the tensor is named. */
    UpdateException named(Bucket bucket, UpdateException failure) {
        if (!(failure.getCause() instanceof DamagedChunkException chunk)) {
            return failure;
        }
        var what = checkpoint.damaged(blockAt(bucket, chunk.offset()));
        note(bucket, Place.WIRE, what);
        return owner.lost(
                "%s; on the way from %s: %s".formatted(what.getMessage(), owner.worker(), chunk.getMessage()), chunk);
    }

    /** What to throw if a bucket that has landed is not what was published. */
    UpdateException landed(Bucket bucket, CorruptBlockException damage) {
        note(bucket, Place.SLOT, damage);
        var message = damage.getMessage() + "; it came so from " + owner.worker();
        return owner.lost(message, new PeerException(message, damage));
    }

    private void note(Bucket bucket, Place place, CorruptBlockException what) {
        tally.addFound(place);
        log.awaits(bucket.index(), place, what);
    }

    /** The first block of the bucket that may have been in a chunk. */
    private static Slice blockAt(Bucket bucket, long offset) {
        var placements = bucket.placements();
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
