package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.Slots;
import dev.inflight.protocol.plan.UpdatePlan;
import dev.inflight.worker.device.CudaDevice;
import dev.inflight.worker.device.CudaSlotRing;
import dev.inflight.worker.device.HostSlotRing;
import dev.inflight.worker.device.Lazy;
import dev.inflight.worker.nccl.Communicators;
import dev.inflight.worker.nccl.GroupLease;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.transport.PeerException;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Buckets land in GPU memory. An engine maps the slots of its own GPU only, since it may not see another, so buckets of
 * a worker in the same process are copied from GPU to GPU.
 */
final class CudaStages implements DeviceStages {
    private final CudaDevice device;
    private final StoredCheckpoint checkpoint;
    private final Slots slots;
    private final Closer closer;
    private final Mending mending;
    private final StageTimes times;
    private final Peers peers;
    /** The GPU does not stop to use the rings: nobody else may. */
    private volatile boolean stuck;

    /** Finds the buckets of another worker of this process. */
    interface Peers {
        OwnBuckets of(String worker) throws PeerException;
    }

    /** @param closer given everything that is taken */
    CudaStages(
            CudaDevice device,
            StoredCheckpoint checkpoint,
            Slots slots,
            Closer closer,
            Mending mending,
            StageTimes times,
            Peers peers) {
        this.mending = mending;
        this.device = device;
        this.checkpoint = checkpoint;
        this.slots = slots;
        this.closer = closer;
        this.times = times;
        this.peers = peers;
    }

    @Override
    public OwnBuckets own(List<Bucket> buckets, Presence presence) {
        return new CudaOwnBuckets(
                buckets,
                checkpoint,
                ring(slots.count()),
                lane(),
                check(),
                () -> hostRing(slots.count()),
                mending,
                times);
    }

    @Override
    public LandingSlots landing(int count) {
        return new CudaLanding(ring(count), lane());
    }

    private CudaSlotRing ring(int count) {
        var ring = device.slots(count, slots.bytes());
        closer.add(() -> {
            if (!stuck) {
                ring.close();
            }
        });
        return ring;
    }

    private HostSlotRing hostRing(int count) {
        var ring = device.hostSlots(count, slots.bytes());
        closer.add(ring::close);
        return ring;
    }

    private CudaBlockCheck check() {
        return new CudaBlockCheck(checkpoint, device.summer(), lane(), times);
    }

    /** Closed before the rings it copies to, since it was taken after them. */
    private CudaLane lane() {
        return closed(new CudaLane(device));
    }

    private CudaLane closed(CudaLane lane) {
        closer.add(lane::close);
        return lane;
    }

    @Override
    public boolean engineReadsPeers() {
        return false;
    }

    @Override
    public Collective collective(UpdatePlan plan, @Nullable Communicators communicators, Duration patience) {
        if (communicators == null) {
            throw new UpdateException("this worker has no NCCL", null);
        }
        var collective = new Collective(
                plan,
                new GroupLease(communicators),
                closed(new CudaLane(device.context())),
                check(),
                new DamagedBroadcast(plan, mending.tally()),
                () -> stuck = true,
                times,
                patience);
        closer.add(collective::close);
        return collective;
    }

    @Override
    public Incoming copied(RemoteOwner owner, DamagedArrival damaged, LandingBoard landing, Incoming.Located located) {
        try {
            if (peers.of(owner.worker()) instanceof CudaOwnBuckets from
                    && landing.slots().ring() instanceof CudaSlotRing to) {
                return new CopiedIncoming(owner, from.ring(), to, lane(), check(), damaged, landing, located, times);
            }
            throw new UpdateException(
                    owner.worker() + " has no GPU and " + device.id() + " can not copy from it", null);
        } catch (PeerException e) {
            throw new UpdateException(String.valueOf(e.getMessage()), owner.worker(), e);
        }
    }

    /** From a socket, bytes come through a ring of host memory that is taken when the first do. */
    private final class CudaLanding implements LandingSlots {
        private final CudaSlotRing ring;
        private final CudaLane lane;
        private final Lazy<HostSlotRing> inbound;

        CudaLanding(CudaSlotRing ring, CudaLane lane) {
            this.ring = ring;
            this.lane = lane;
            this.inbound = new Lazy<>(() -> hostRing(ring.count()));
        }

        @Override
        public CudaSlotRing ring() {
            return ring;
        }

        @Override
        public MemorySegment inbound(int slot) {
            return inbound.get().slot(slot);
        }

        @Override
        public void settle(int slot, long bytes, Duration patience) throws InterruptedException {
            try (var copy = lane.begin()) {
                lane.stream().copyIn(inbound(slot).asSlice(0, bytes), ring.buffer(), ring.offset(slot));
                copy.end();
                copy.await(patience);
            }
        }
    }
}
