package dev.inflight.worker.update;

import dev.inflight.worker.device.Device;
import dev.inflight.worker.nccl.Communicators;
import dev.inflight.worker.store.HostStore;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What the updates of one worker run on.
 *
 * @param worker the worker's id
 * @param store its host's store
 * @param device where its slots are
 * @param hub where peers find its buckets
 * @param peers how it reaches other hosts
 * @param joins how its host takes parts of shards from others
 * @param traces where timelines go
 * @param engineTimeout longest wait for the engine to answer begin, end, commit or dump; it may drain requests then
 * @param abortTimeout longest wait for the engine to answer an abort, before it is disconnected
 * @param communicators its NCCL communicator with other workers; null if it can have none
 * @param plans makes its plans; the same for all workers of the host, whose plans are equal
 */
public record UpdateContext(
        String worker,
        HostStore store,
        Device device,
        TransferHub hub,
        Peers peers,
        JoinSettings joins,
        Traces traces,
        Duration engineTimeout,
        Duration abortTimeout,
        @Nullable Communicators communicators,
        Plans plans) {}
