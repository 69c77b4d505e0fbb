package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.worker.store.CorruptBlockException;
import dev.inflight.worker.store.StoredCheckpoint;
import java.lang.foreign.MemorySegment;

/** Buckets that come over a socket into landing slots and are checked on arrival. */
final class SocketIncoming implements Incoming {
    private final RemoteOwner owner;
    private final StoredCheckpoint checkpoint;
    private final LandingBoard landing;
    private final Located located;
    private final StageTimes times;
    private final DamagedArrival damaged;

    SocketIncoming(
            RemoteOwner owner,
            StoredCheckpoint checkpoint,
            DamagedArrival damaged,
            LandingBoard landing,
            Located located,
            StageTimes times) {
        this.owner = owner;
        this.damaged = damaged;
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
        fetch(bucket, inbound);
        times.transferNanos.add(System.nanoTime() - start);
        times.landedBytes.add(bucket.bytes());
        owner.giveBack(bucket.index());
        check(bucket, inbound);
        landing.slots().settle(slot, bucket.bytes(), landing.patience());
        landing.landed(bucket.index(), located);
    }

    private void fetch(Bucket bucket, MemorySegment inbound) {
        try {
            owner.fetch(bucket.index(), inbound);
        } catch (UpdateException e) {
            throw damaged.named(bucket, e);
        }
    }

    private void check(Bucket bucket, MemorySegment inbound) {
        long start = System.nanoTime();
        try {
            checkpoint.check(bucket, inbound);
        } catch (CorruptBlockException e) {
            throw damaged.landed(bucket, e);
        }
        times.verifyNanos.add(System.nanoTime() - start);
    }
}
