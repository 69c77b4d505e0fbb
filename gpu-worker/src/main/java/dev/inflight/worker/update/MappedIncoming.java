package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;

/** Buckets that the engine reads in the owner's slots. */
final class MappedIncoming implements Incoming {
    private final RemoteOwner owner;
    private final Located located;

    MappedIncoming(RemoteOwner owner, Located located) {
        this.owner = owner;
        this.located = located;
    }

    @Override
    public void bring(Bucket bucket) throws InterruptedException {
        var at = owner.awaitMapped(bucket.index());
        located.at(bucket.index(), at, () -> owner.giveBack(bucket.index()));
    }
}
