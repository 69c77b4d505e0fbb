package dev.inflight.worker.update;

import dev.inflight.protocol.cluster.Damage.Place;
import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.UpdatePlan;
import dev.inflight.worker.store.CorruptBlockException;
import dev.inflight.worker.store.DamageTally;

/**
 * Buckets that a broadcast brings damaged. They are counted like those of a transfer, but end the update: every member
 * takes part in every broadcast, so there is no other way for one of them.
 */
final class DamagedBroadcast {
    private final UpdatePlan plan;
    private final DamageTally tally;

    DamagedBroadcast(UpdatePlan plan, DamageTally tally) {
        this.plan = plan;
        this.tally = tally;
    }

    /** What to throw if a bucket that has landed is not what was published. */
    UpdateException landed(Bucket bucket, CorruptBlockException damage) {
        tally.addFound(Place.SLOT);
        var owner = plan.owners().get(bucket.owner()).worker();
        return new UpdateException(damage.getMessage() + "; it came so from " + owner + ", by NCCL", null, damage);
    }
}
