package dev.inflight.protocol.cluster;

import akka.actor.typed.ActorRef;
import akka.actor.typed.receptionist.ServiceKey;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Slots;

/** What the coordinator asks of a GPU worker. A command of an older epoch than the worker has seen is ignored. */
public sealed interface WorkerCommand extends Wire {
    ServiceKey<WorkerCommand> KEY = ServiceKey.create(WorkerCommand.class, "gpu-worker");

    /** Asks for a {@link WorkerEvent.WorkerState} now and after every change, until the subscriber stops. */
    record Subscribe(ActorRef<WorkerEvent> subscriber) implements WorkerCommand {}

    /**
     * Computes the plan, takes slots and opens transfers; answered by {@link WorkerEvent.Prepared} or
     * {@link WorkerEvent.PrepareRefused}. The engine is not touched yet.
     *
     * @param epoch higher than every earlier update's
     * @param strategy with {@link Strategy#P2P} the membership has one worker, which receives, and its own host with the
     *     hosts that hold or replicate shards
     * @param stallTimeoutMs the worker fails the update when nothing moved for this long
     */
    record Prepare(
            long epoch,
            String updateId,
            CheckpointRef checkpoint,
            LoadMode mode,
            Strategy strategy,
            Membership membership,
            Slots slots,
            long stallTimeoutMs,
            ActorRef<WorkerEvent> replyTo)
            implements WorkerCommand {}

    /**
     * Introduces the update to the engine, which pauses first if it loads in place; answered by
     * {@link WorkerEvent.Begun} or {@link WorkerEvent.Failed}. Streaming starts only when every engine has begun, so
     * that one which drains its requests for long does not look like a stall to the others.
     */
    record Begin(long epoch) implements WorkerCommand {}

    /** Starts streaming; ends in {@link WorkerEvent.Staged} or {@link WorkerEvent.Failed}. */
    record Stream(long epoch) implements WorkerCommand {}

    /** The update goes on without a worker that has no buckets to send: nobody waits for it to take any. */
    record Drop(long epoch, String worker) implements WorkerCommand {}

    /** Makes the staged weights live; answered by {@link WorkerEvent.Committed} or {@link WorkerEvent.Failed}. */
    record Commit(long epoch) implements WorkerCommand {}

    /** Ends the update without its weights; always answered by {@link WorkerEvent.Aborted}. */
    record Abort(long epoch, String reason, ActorRef<WorkerEvent> replyTo) implements WorkerCommand {}

    /** Compares the engine's live tensors with a manifest; answered by {@link WorkerEvent.Verified}. */
    record Verify(String verifyId, CheckpointRef checkpoint, Membership holders, ActorRef<WorkerEvent> replyTo)
            implements WorkerCommand {}
}
