package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.worker.store.StoredCheckpoint;
import java.lang.foreign.MemorySegment;

/** Buckets that come over a socket into landing slots and are checked on arrival. */
final class SocketIncoming implements Incoming {
    private final RemoteOwner owner;
    private final StoredCheckpoint checkpoint;
    private final LandingBoard landing;
    private final Located located;
    private final StageTimes times;

    SocketIncoming(
            RemoteOwner owner, StoredCheckpoint checkpoint, LandingBoard landing, Located located, StageTimes times) {
        this.owner = owner;
        this.checkpoint = checkpoint;
        this.landing = landing;
        this.located = located;
        this.times = times;
    }

    @Override
    public void bring(Bucket bucket) throws InterruptedException {
        int slot = landing.enter(bucket.index());
        var inbound = landing.slots().inbound(slot).asSlice(0, bucket.bytes());
        long start = System.nanoTime();
        owner.fetch(bucket.index(), inbound);
        times.transferNanos.add(System.nanoTime() - start);
        times.landedBytes.add(bucket.bytes());
        owner.giveBack(bucket.index());
        check(bucket, inbound);
        landing.slots().settle(slot, bucket.bytes(), landing.patience());
        landing.landed(bucket.index(), located);
    }

    private void check(Bucket bucket, MemorySegment inbound) {
        long start = System.nanoTime();
        checkpoint.check(bucket, inbound);
        times.verifyNanos.add(System.nanoTime() - start);
    }
}
