package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.worker.device.CudaSlotRing;
import dev.inflight.worker.store.CorruptBlockException;

/** Buckets that are copied from another GPU of this process and checked where they land. */
final class CopiedIncoming implements Incoming {
    private final RemoteOwner owner;
    private final CudaSlotRing from;
    private final CudaSlotRing to;
    private final CudaLane lane;
    private final CudaBlockCheck check;
    private final DamagedArrival damaged;
    private final LandingBoard landing;
    private final Located located;
    private final StageTimes times;

    CopiedIncoming(
            RemoteOwner owner,
            CudaSlotRing from,
            CudaSlotRing to,
            CudaLane lane,
            CudaBlockCheck check,
            DamagedArrival damaged,
            LandingBoard landing,
            Located located,
            StageTimes times) {
        this.owner = owner;
        this.from = from;
        this.to = to;
        this.lane = lane;
        this.check = check;
        this.damaged = damaged;
        this.landing = landing;
        this.located = located;
        this.times = times;
    }

    @Override
    public void bring(Bucket bucket) throws InterruptedException {
        var at = owner.awaitMapped(bucket.index());
        int slot = landing.enter(bucket.index());
        try (var copy = lane.begin()) {
            lane.stream()
                    .copy(
                            from.buffer(),
                            from.offset(at.slot()) + at.offset(),
                            to.buffer(),
                            to.offset(slot),
                            bucket.bytes());
            copy.end();
            try (var checked = check.start(bucket, copy.ended(), to.buffer(), to.offset(slot))) {
                copy.await(landing.patience());
                owner.giveBack(bucket.index());
                check(bucket, checked);
                landing.landed(bucket.index(), located);
            }
            times.transferred(bucket.index(), copy.span());
        }
    }

    private void check(Bucket bucket, CudaBlockCheck.Started started) throws InterruptedException {
        try {
            started.await(landing.patience());
        } catch (CorruptBlockException e) {
            throw damaged.landed(bucket, e);
        }
    }
}
