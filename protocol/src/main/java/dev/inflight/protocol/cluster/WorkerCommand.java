package dev.inflight.protocol.cluster;

import akka.actor.typed.ActorRef;
import akka.actor.typed.receptionist.ServiceKey;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Slots;
import java.util.List;

/** What the coordinator asks of a GPU worker. A command of an older epoch than the worker has seen is ignored. */
public sealed interface WorkerCommand extends Wire {
    ServiceKey<WorkerCommand> KEY = ServiceKey.create(WorkerCommand.class, "gpu-worker");

    /** Asks for a {@link WorkerEvent.WorkerState} now and after every change, until the subscriber stops. */
    record Subscribe(ActorRef<WorkerEvent> subscriber) implements WorkerCommand {}

    /**
     * Computes the plan, takes slots, and opens transfers or joins a communicator; answered by {@link WorkerEvent.Prepared} or
     * {@link WorkerEvent.PrepareRefused}. The engine is not touched yet.
     *
     * @param epoch higher than every earlier update's
     * @param strategy with {@link Strategy#P2P} the membership has one worker, which receives, and its own host with the
     *     hosts that hold or replicate shards
     * @param exchange how buckets come from worker to worker
     * @param stallTimeoutMs the worker fails the update when nothing moved for this long
     * @param repairs whether the update goes on without an owner that is lost: its buckets are then waited for until
     *     {@link Repair} says where else they are
     * @param verify where the bytes are compared with what was published before the worker says that it is staged
     * @param limits what hosts that send to this worker keep to; empty for none
     */
    record Prepare(
            long epoch,
            String updateId,
            CheckpointRef checkpoint,
            LoadMode mode,
            Strategy strategy,
            Membership membership,
            Slots slots,
            Exchange exchange,
            long stallTimeoutMs,
            boolean repairs,
            VerifyPoint verify,
            List<BandwidthLimit> limits,
            ActorRef<WorkerEvent> replyTo)
            implements WorkerCommand {
        public Prepare {
            limits = List.copyOf(limits);
        }

        /** An update that needs all of its owners, verified on arrival, as fast as it can. */
        public Prepare(
                long epoch,
                String updateId,
                CheckpointRef checkpoint,
                LoadMode mode,
                Strategy strategy,
                Membership membership,
                Slots slots,
                Exchange exchange,
                long stallTimeoutMs,
                ActorRef<WorkerEvent> replyTo) {
            this(
                    epoch,
                    updateId,
                    checkpoint,
                    mode,
                    strategy,
                    membership,
                    slots,
                    exchange,
                    stallTimeoutMs,
                    false,
                    VerifyPoint.ARRIVAL,
                    List.of(),
                    replyTo);
        }
    }

    /**
     * Introduces the update to the engine, which pauses first if it loads in place; answered by
     * {@link WorkerEvent.Begun} or {@link WorkerEvent.Failed}. Streaming starts only when every engine has begun, so
     * that one which drains its requests for long does not look like a stall to the others.
     */
    record Begin(long epoch) implements WorkerCommand {}

    /** Starts streaming; ends in {@link WorkerEvent.Staged} or {@link WorkerEvent.Failed}. */
    record Stream(long epoch) implements WorkerCommand {}

    /** The update goes on, but a worker takes no bucket of this one any more: that is not waited for. */
    record Drop(long epoch, String worker) implements WorkerCommand {}

    /**
     * Owners were lost, to this worker at least: what did not come from them is taken out of host stores. While no host
     * is named, nobody fails for want of buckets, also one that lost none of those owners itself. Each of these replaces
     * the one before.
     *
     * @param owners all owners lost to this worker so far
     * @param hosts live hosts that hold what these owned, with the shards of the checkpoint in their stores; empty while
     *     some of it is nowhere
     */
    record Repair(long epoch, List<String> owners, List<Membership.Host> hosts) implements WorkerCommand {
        public Repair {
            owners = List.copyOf(owners);
            hosts = List.copyOf(hosts);
        }
    }

    /**
     * A member waits for its turn under a limit of bandwidth ({@link WorkerEvent.HeldUp}), which may hold up all others. Told
     * about once a second meanwhile; for the stall timeout and a little longer nobody fails because nothing moves.
     */
    record HoldOn(long epoch) implements WorkerCommand {}

    /** Makes the staged weights live; answered by {@link WorkerEvent.Committed} or {@link WorkerEvent.Failed}. */
    record Commit(long epoch) implements WorkerCommand {}

    /** Ends the update without its weights; always answered by {@link WorkerEvent.Aborted}. */
    record Abort(long epoch, String reason, ActorRef<WorkerEvent> replyTo) implements WorkerCommand {}

    /** Compares the engine's live tensors with a manifest; answered by {@link WorkerEvent.Verified}. */
    record Verify(String verifyId, CheckpointRef checkpoint, Membership holders, ActorRef<WorkerEvent> replyTo)
            implements WorkerCommand {}
}
