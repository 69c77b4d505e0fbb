package dev.inflight.coordinator.update;

import akka.actor.typed.ActorRef;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Slots;
import java.util.List;
import java.util.Objects;
import java.util.SortedMap;
import org.jspecify.annotations.Nullable;

/**
 * One attempt with the actors behind its members: the update itself, or one that restores a former version.
 *
 * @param ready what it was prepared with; null if it was taken over from a coordinator that is gone
 * @param members its workers by id, as they were when it began
 */
record Round(
        UpdateRequest request,
        Preparation.@Nullable Ready ready,
        SortedMap<String, FleetWorker> members,
        UpdateAttempt attempt) {

    /** What its engines take together; 0 if it stands by in each of them. */
    long totalBytes() {
        boolean swap = ready != null && ready.strategy() == Strategy.STANDBY;
        return swap ? 0 : request.checkpoint().bytes() * attempt.takers().size();
    }

    void send(Send send, String updateId, UpdateSettings settings, ActorRef<WorkerEvent> replyTo) {
        for (String id : send.workers()) {
            FleetWorker worker = members.get(id);
            if (worker != null) {
                worker.ref().tell(command(send, updateId, settings, replyTo));
            }
        }
    }

    /** Tells all members that are still part of it who stands in for lost owners. */
    void repair(List<Membership.Host> hosts) {
        for (String id : attempt.active()) {
            FleetWorker worker = members.get(id);
            if (worker != null) {
                List<String> owners = List.copyOf(attempt.lostTo(id));
                worker.ref().tell(new WorkerCommand.Repair(attempt.epoch(), owners, hosts));
            }
        }
    }

    private WorkerCommand command(Send send, String updateId, UpdateSettings settings, ActorRef<WorkerEvent> replyTo) {
        long epoch = attempt.epoch();
        return switch (send.order()) {
            case PREPARE -> prepare(updateId, settings, replyTo, Objects.requireNonNull(ready));
            case BEGIN -> new WorkerCommand.Begin(epoch);
            case STREAM -> new WorkerCommand.Stream(epoch);
            case HOLD_ON -> new WorkerCommand.HoldOn(epoch);
            case DROP -> new WorkerCommand.Drop(epoch, Objects.requireNonNull(send.about()));
            case CONFIRM -> throw new IllegalStateException("nothing is sent to workers to confirm epoch " + epoch);
            case COMMIT -> new WorkerCommand.Commit(epoch);
            case ABORT ->
                new WorkerCommand.Abort(
                        epoch,
                        Objects.requireNonNullElse(attempt.reason(), "the update goes on without this worker"),
                        replyTo);
        };
    }

    private WorkerCommand prepare(
            String updateId, UpdateSettings settings, ActorRef<WorkerEvent> replyTo, Preparation.Ready prepared) {
        Membership membership = prepared.membership();
        Slots slots = prepared.slots();
        return new WorkerCommand.Prepare(
                attempt.epoch(),
                updateId,
                request.checkpoint(),
                prepared.mode(),
                prepared.strategy(),
                membership,
                slots,
                prepared.exchange().exchange(),
                settings.stallTimeout().toMillis(),
                attempt.outlivesOwners(),
                Objects.requireNonNull(request.verify()),
                request.limits(prepared.mode()),
                replyTo);
    }
}
