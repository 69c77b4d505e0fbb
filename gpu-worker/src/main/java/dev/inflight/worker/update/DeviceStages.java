package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import java.util.List;

/** The parts of one update's pipeline that depend on what buckets land on. */
sealed interface DeviceStages permits HostStages, CudaStages {
    /** Takes the slots of this worker's own buckets. */
    OwnBuckets own(List<Bucket> buckets);

    /** Takes the slots that others' buckets land in. */
    LandingSlots landing();

    /** Whether the engine itself can read the slots of a worker that shares memory with this one. */
    boolean engineReadsPeers();

    /** How buckets of a worker that shares memory with this one come to landing slots, if the engine can not. */
    Incoming copied(RemoteOwner owner, LandingBoard landing, Incoming.Located located);
}
