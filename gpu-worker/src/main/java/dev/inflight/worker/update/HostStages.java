package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.Slots;
import dev.inflight.protocol.plan.UpdatePlan;
import dev.inflight.worker.device.HostDevice;
import dev.inflight.worker.device.HostSlotRing;
import dev.inflight.worker.nccl.Communicators;
import dev.inflight.worker.store.StoredCheckpoint;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Buckets land in host memory. */
final class HostStages implements DeviceStages {
    private final HostDevice device;
    private final StoredCheckpoint checkpoint;
    private final Slots slots;
    private final Closer closer;
    private final Mending mending;
    private final StageTimes times;

    /** @param closer given everything that is taken */
    HostStages(
            HostDevice device,
            StoredCheckpoint checkpoint,
            Slots slots,
            Closer closer,
            Mending mending,
            StageTimes times) {
        this.mending = mending;
        this.device = device;
        this.checkpoint = checkpoint;
        this.slots = slots;
        this.closer = closer;
        this.times = times;
    }

    @Override
    public OwnBuckets own(List<Bucket> buckets, Presence presence) {
        return new HostOwnBuckets(buckets, checkpoint, presence, () -> ring(slots.count()), mending, times);
    }

    @Override
    public LandingSlots landing(int count) {
        return new HostLanding(ring(count));
    }

    private HostSlotRing ring(int count) {
        var ring = device.slots(count, slots.bytes());
        closer.add(ring::close);
        return ring;
    }

    @Override
    public boolean engineReadsPeers() {
        return true;
    }

    @Override
    public Collective collective(UpdatePlan plan, @Nullable Communicators communicators, Duration patience) {
        throw new UpdateException("slots are in host memory, where NCCL can not reach them", null);
    }

    @Override
    public Incoming copied(RemoteOwner owner, DamagedArrival damaged, LandingBoard landing, Incoming.Located located) {
        throw new IllegalStateException("engines read the slots of " + owner.worker() + " where they are");
    }

    private record HostLanding(HostSlotRing ring) implements LandingSlots {
        @Override
        public MemorySegment inbound(int slot) {
            return ring.slot(slot);
        }

        @Override
        public void settle(int slot, long bytes, Duration patience) {
            // It came into the slot itself.
        }
    }
}
