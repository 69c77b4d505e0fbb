package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.worker.device.CudaSlotRing;

/** Buckets that are copied from another GPU of this process. */
final class CopiedIncoming implements Incoming {
    private final RemoteOwner owner;
    private final CudaSlotRing from;
    private final CudaSlotRing to;
    private final CudaLane lane;
    private final LandingBoard landing;
    private final Located located;
    private final StageTimes times;

    CopiedIncoming(
            RemoteOwner owner,
            CudaSlotRing from,
            CudaSlotRing to,
            CudaLane lane,
            LandingBoard landing,
            Located located,
            StageTimes times) {
        this.owner = owner;
        this.from = from;
        this.to = to;
        this.lane = lane;
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
            copy.await(landing.patience());
            times.transferred(bucket.index(), copy.span());
        }
        owner.giveBack(bucket.index());
        landing.landed(bucket.index(), located);
    }
}
