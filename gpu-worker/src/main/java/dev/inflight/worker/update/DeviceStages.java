package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.UpdatePlan;
import dev.inflight.worker.nccl.Communicators;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The parts of one update's pipeline that depend on what buckets land on. */
sealed interface DeviceStages permits HostStages, CudaStages {
    /**
     * Takes the slots of this worker's own buckets.
     *
     * @param presence whether their bytes were checked already; asked when they are here
     */
    OwnBuckets own(List<Bucket> buckets, Presence presence);

    /** Takes slots that others' buckets land in. */
    LandingSlots landing(int count);

    /** Whether the engine itself can read the slots of a worker that shares memory with this one. */
    boolean engineReadsPeers();

    /**
     * A stream and the checks for broadcasts among all members.
     *
     * @throws UpdateException if this worker has no NCCL
     */
    Collective collective(UpdatePlan plan, @Nullable Communicators communicators, Duration patience);

    /** How buckets of a worker that shares memory with this one come to landing slots, if the engine can not. */
    Incoming copied(RemoteOwner owner, DamagedArrival damaged, LandingBoard landing, Incoming.Located located);
}
