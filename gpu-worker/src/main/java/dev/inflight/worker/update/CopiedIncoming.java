package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.worker.device.CudaSlotRing;

/** Buckets that are copied from another GPU of this process and checked where they land. */
final class CopiedIncoming implements Incoming {
    private final RemoteOwner owner;
    private final CudaSlotRing from;
    private final CudaSlotRing to;
    private final CudaLane lane;
    private final CudaBlockCheck check;
    private final LandingBoard landing;
    private final Located located;
    private final StageTimes times;

    CopiedIncoming(
            RemoteOwner owner,
            CudaSlotRing from,
            CudaSlotRing to,
            CudaLane lane,
            CudaBlockCheck check,
            LandingBoard landing,
            Located located,
            StageTimes times) {
        this.owner = owner;
        this.from = from;
        this.to = to;
        this.lane = lane;
        this.check = check;
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
                checked.await(landing.patience());
                landing.landed(bucket.index(), located);
            }
            times.transferred(bucket.index(), copy.span());
        }
    }
}
