package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.Origin;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.TrainerCommand;
import dev.inflight.protocol.cluster.TrainerCommand.CanaryUpdate;
import dev.inflight.protocol.cluster.TrainerCommand.Cancel;
import dev.inflight.protocol.cluster.TrainerCommand.DecideCanary;
import dev.inflight.protocol.cluster.TrainerCommand.Enqueue;
import dev.inflight.protocol.cluster.TrainerCommand.GetOperation;
import dev.inflight.protocol.cluster.TrainerCommand.Publish;
import dev.inflight.protocol.cluster.TrainerCommand.Rollback;
import dev.inflight.protocol.cluster.TrainerCommand.UpdateWeights;
import dev.inflight.protocol.cluster.TrainerCommand.VerifyModel;
import java.util.Objects;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Refuses trainers' commands or begins what they ask for. Of one coordinator, on its actor's thread. */
final class TrainerCommands {
    private final Supplier<Fleet> fleets;
    private final Operations operations;
    private final VersionLedger ledger;
    private final CommitHistory history;
    private final IdempotencyKeys keys;
    private final Journal journal;
    private final Starts starts;
    private final Sessions sessions;
    private final UpdateTurns turns;
    private final CanaryDesk canaries;
    private final Runnable proceed;

    /** @param proceed begins updates whose turn has come */
    TrainerCommands(
            Supplier<Fleet> fleets,
            Operations operations,
            VersionLedger ledger,
            CommitHistory history,
            IdempotencyKeys keys,
            Journal journal,
            Starts starts,
            Sessions sessions,
            UpdateTurns turns,
            CanaryDesk canaries,
            Runnable proceed) {
        this.fleets = fleets;
        this.operations = operations;
        this.ledger = ledger;
        this.history = history;
        this.keys = keys;
        this.journal = journal;
        this.starts = starts;
        this.sessions = sessions;
        this.turns = turns;
        this.canaries = canaries;
        this.proceed = proceed;
    }

    /** @param asking the canary that asks for it; null if a trainer does */
    void carryOut(TrainerCommand command, @Nullable String asking) {
        switch (command) {
            case Publish publish -> {
                if (!isRepeated(publish, publish.origin(), publish.replyTo())) {
                    publish(publish);
                }
            }
            case UpdateWeights update -> {
                if (!isRepeated(update, update.origin(), update.replyTo())) {
                    update(update, asking);
                }
            }
            case Enqueue enqueue -> {
                UpdateWeights update = enqueue.update();
                if (!isRepeated(update, update.origin(), update.replyTo())) {
                    turns.enqueue(enqueue);
                    proceed.run();
                }
            }
            case Cancel cancel -> {
                turns.cancel(cancel);
                proceed.run();
            }
            case CanaryUpdate canary -> {
                if (!isRepeated(canary, canary.origin(), canary.replyTo())) {
                    canary(canary);
                }
            }
            case DecideCanary decision -> canaries.decide(decision);
            case Rollback rollback -> {
                if (!isRepeated(rollback, rollback.origin(), rollback.replyTo())) {
                    rollback(rollback, asking);
                }
            }
            case VerifyModel verify -> {
                if (!isRepeated(verify, verify.origin(), verify.replyTo())) {
                    verify(verify);
                }
            }
            case GetOperation get -> tellOperation(get);
        }
    }

    private void publish(Publish publish) {
        Refused refused = admission().refusal(publish);
        if (refused != null) {
            publish.replyTo().tell(refused);
            return;
        }
        OperationStarted start = starts.publish(publish);
        sessions.publish(start, publish.source(), fleets.get(), replyTo(start, publish.replyTo()));
    }

    private void canary(CanaryUpdate canary) {
        UpdateWeights all = Admission.update(canary);
        Refused refused = turns.refusal(all);
        CheckpointRef checkpoint = ledger.find(canary.model(), canary.version());
        if (refused != null || checkpoint == null) {
            canary.replyTo().tell(Objects.requireNonNull(refused));
            return;
        }
        OperationStarted start = starts.canary(canary, checkpoint);
        refused = canaries.start(start, canary, fleets.get(), replyTo(start, canary.replyTo()));
        if (refused != null) {
            keys.refused(start, refused);
            if (start.idempotencyKey() == null) {
                canary.replyTo().tell(refused);
            }
        }
    }

    /** @param canary which asks for it; null if a trainer does */
    private void update(UpdateWeights update, @Nullable String canary) {
        // What a canary has begun must not be stopped half-way by a limit.
        Refused refused = canary == null
                ? turns.refusal(update)
                : admission().within(canary).refusal(update);
        CheckpointRef checkpoint = ledger.find(update.model(), update.version());
        if (refused != null || checkpoint == null) {
            update.replyTo().tell(Objects.requireNonNull(refused));
            return;
        }
        OperationStarted start = starts.update(update, checkpoint);
        begin(start, update, checkpoint, replyTo(start, update.replyTo()));
    }

    /** Begins an update that waited for its turn; who asked has been answered. */
    void begin(OperationStarted start, UpdateWeights update, CheckpointRef checkpoint) {
        begin(start, update, checkpoint, null);
    }

    private void begin(
            OperationStarted start,
            UpdateWeights update,
            CheckpointRef checkpoint,
            @Nullable ActorRef<OperationReply> replyTo) {
        turns.begun(start, checkpoint);
        boolean standby = !update.strategy().equals(Strategy.BROADCAST.label());
        sessions.update(start, checkpoint, update.mode(), standby, update.verify(), fleets.get(), replyTo);
    }

    /** @param canary which asks for it; null if a trainer does */
    private void rollback(Rollback rollback, @Nullable String canary) {
        String former = history.previous(
                rollback.model(), rollback.group(), fleets.get().workers().values());
        Refused refused = admission().within(canary).refusal(rollback, former);
        String target = rollback.to() == null ? former : rollback.to();
        CheckpointRef checkpoint = target == null ? null : ledger.find(rollback.model(), target);
        if (refused != null || checkpoint == null) {
            rollback.replyTo().tell(Objects.requireNonNull(refused));
            return;
        }
        OperationStarted start = starts.rollback(rollback, checkpoint);
        sessions.update(
                start, checkpoint, rollback.mode(), true, null, fleets.get(), replyTo(start, rollback.replyTo()));
    }

    private void verify(VerifyModel verify) {
        Refused refused = admission().refusal(verify);
        if (refused != null) {
            verify.replyTo().tell(refused);
            return;
        }
        OperationStarted start = starts.verify(verify);
        sessions.verify(start, fleets.get(), replyTo(start, verify.replyTo()));
    }

    /** Who hears at once that an operation was taken: those with a key wait for the ledger. */
    private @Nullable ActorRef<OperationReply> replyTo(OperationStarted start, ActorRef<OperationReply> requester) {
        if (start.idempotencyKey() == null) {
            return requester;
        }
        keys.begin(start, requester);
        return null;
    }

    /** Answers a command whose key was used before. */
    private boolean isRepeated(TrainerCommand command, Origin origin, ActorRef<OperationReply> replyTo) {
        OperationStarted first = keys.find(origin.idempotencyKey());
        if (first == null) {
            return false;
        }
        Refused refused = IdempotencyKeys.refusal(first, Starts.request(command));
        if (refused != null) {
            replyTo.tell(refused);
        } else if (!keys.await(first, replyTo)) {
            tellOperation(new GetOperation(first.id(), replyTo));
        }
        return true;
    }

    /** The ledger has that an operation was taken. */
    void kept(String id) {
        Operation operation = operation(id);
        if (operation != null) {
            keys.answer(id, operation);
        }
    }

    private void tellOperation(GetOperation get) {
        Operation operation = operation(get.id());
        if (operation == null) {
            journal.tell(get);
        } else {
            get.replyTo().tell(operation);
        }
    }

    @Nullable
    Operation operation(String id) {
        Operation waiting = turns.operation(id);
        return waiting == null ? operations.operation(id) : waiting;
    }

    private Admission admission() {
        return Admission.of(operations, ledger, fleets.get());
    }
}
