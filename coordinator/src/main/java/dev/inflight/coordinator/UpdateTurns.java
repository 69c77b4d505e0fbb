package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import akka.actor.typed.javadsl.TimerScheduler;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.ledger.LedgerEntry.NeverBegan;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationEnded;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.ledger.LedgerEntry.UpdateQueued;
import dev.inflight.coordinator.ledger.LedgerState;
import dev.inflight.coordinator.limits.LimitSettings;
import dev.inflight.coordinator.limits.Scope;
import dev.inflight.coordinator.limits.UpdateLimits;
import dev.inflight.coordinator.limits.UpdateQueue;
import dev.inflight.coordinator.limits.UpdateQueue.Begin;
import dev.inflight.coordinator.limits.UpdateQueue.Decision;
import dev.inflight.coordinator.limits.UpdateQueue.GiveUp;
import dev.inflight.coordinator.limits.Use;
import dev.inflight.coordinator.metrics.CoordinatorMetrics;
import dev.inflight.coordinator.update.UpdateKind;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.OperationReply.Refused.Code;
import dev.inflight.protocol.cluster.Origin;
import dev.inflight.protocol.cluster.TrainerCommand.Cancel;
import dev.inflight.protocol.cluster.TrainerCommand.Enqueue;
import dev.inflight.protocol.cluster.TrainerCommand.UpdateWeights;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Whether an update may begin, and those that wait until they may. Limits are reckoned from the ledger and waiting updates
 * are in it, so that a coordinator that comes after this one goes on with both. Rollbacks and joins pass by: somebody
 * must always be able to go back. Belongs to the coordinator's actor.
 */
final class UpdateTurns {
    /** Begins an update whose turn has come. */
    interface Beginning {
        void begin(OperationStarted start, UpdateWeights update, CheckpointRef checkpoint);
    }

    /** The wall clock may be set, which timers do not follow. */
    private static final Duration LONGEST_SLEEP = Duration.ofMinutes(1);
    /** Places are not reckoned anew for everybody who asks: long polls do so every few milliseconds. */
    private static final Duration SHOWN_FOR = Duration.ofMillis(250);

    private final InstantSource wallClock;
    private final Operations operations;
    private final VersionLedger ledger;
    private final Starts starts;
    private final Journal journal;
    private final IdempotencyKeys keys;
    private final CoordinatorMetrics metrics;
    private final PastOperations past;
    private final ActorRef<OperationReply> nobody;
    private final Beginning beginning;
    private final UpdateLimits limits;
    private final TurnRefusals refusals;
    private final UpdateQueue queue;
    private final Cancellations cancellations;
    /** Those that waited and run now. */
    private final Map<String, UpdateQueued> begun = new HashMap<>();

    private Map<String, Operation> shown = Map.of();
    private Instant shownAt = Instant.EPOCH;

    /** @param nobody takes answers that nobody waits for */
    UpdateTurns(
            LimitSettings settings,
            InstantSource wallClock,
            Supplier<Fleet> fleet,
            Operations operations,
            VersionLedger ledger,
            Starts starts,
            Journal journal,
            IdempotencyKeys keys,
            CoordinatorMetrics metrics,
            PastOperations past,
            ActorRef<OperationReply> nobody,
            Beginning beginning) {
        this.wallClock = wallClock;
        this.operations = operations;
        this.ledger = ledger;
        this.starts = starts;
        this.journal = journal;
        this.cancellations = new Cancellations(journal::calledOff);
        this.keys = keys;
        this.metrics = metrics;
        this.past = past;
        this.nobody = nobody;
        this.beginning = beginning;
        this.limits = new UpdateLimits(settings);
        this.refusals = new TurnRefusals(settings, fleet, operations, ledger, limits);
        this.queue = new UpdateQueue(
                limits,
                update -> refusals.obstacle(command(update)),
                update -> refusals.bytes(update.operation()),
                new SharedEngines(fleet)::areIn);
    }

    void restore(LedgerState state) {
        for (OperationEnded ended : state.ended()) {
            OperationStarted start = ended.operation();
            if (counts(start) && !NeverBegan.is(ended.outcome())) {
                limits.began(use(start, ended.bytes()));
                limits.ended(start.id(), ended.at());
            }
        }
        state.unfinished().stream()
                .filter(UpdateTurns::counts)
                .forEach(start -> limits.began(use(start, refusals.bytes(start))));
        state.queued().forEach(queue::add);
        limits.prune(wallClock.instant());
    }

    /** Why an update that will not wait is refused; null if it may begin now. */
    @Nullable
    Refused refusal(UpdateWeights update) {
        return counted(update, refusals.refusal(update, queue, wallClock.instant()));
    }

    private @Nullable Refused counted(UpdateWeights update, @Nullable Refused refused) {
        if (refused != null && refused.limit() != null) {
            metrics.refused(update.model(), refused.limit());
        }
        return refused;
    }

    /** Lets an update wait for its turn, which may have come. */
    void enqueue(Enqueue command) {
        UpdateWeights update = command.update();
        Instant now = wallClock.instant();
        Refused refused = counted(update, refusals.waitRefusal(command, queue, now));
        if (refused != null) {
            update.replyTo().tell(refused);
            return;
        }
        CheckpointRef checkpoint = Objects.requireNonNull(ledger.find(update.model(), update.version()));
        OperationStarted start = starts.update(update, checkpoint);
        UpdateQueued queued = new UpdateQueued(
                start, update.strategy(), update.verify(), now.plus(refusals.patience(command)), start.at());
        queue.add(queued);
        keys.begin(start, update.replyTo());
        journal.queued(queued);
        operations.update(start.asOperation("queued"));
    }

    /**
     * Begins what may begin and ends what has waited too long.
     *
     * @param known whether all is known that a former coordinator may have begun; until then nothing begins
     */
    void proceed(TimerScheduler<UpdateCoordinator.Command> timers, UpdateCoordinator.Command due, boolean known) {
        Decision decision = next(known);
        while (decision != null) {
            carryOut(decision);
            decision = next(known);
        }
        limits.prune(wallClock.instant());
        Instant next = queue.nextChange(wallClock.instant());
        if (next == null) {
            timers.cancel(due);
        } else {
            Duration sleep = Duration.between(wallClock.instant(), next);
            Duration least = Duration.ofMillis(1);
            Duration bounded = sleep.compareTo(LONGEST_SLEEP) > 0 ? LONGEST_SLEEP : sleep;
            timers.startSingleTimer(due, due, bounded.compareTo(least) < 0 ? least : bounded);
        }
    }

    private @Nullable Decision next(boolean known) {
        Instant now = wallClock.instant();
        return known ? queue.next(now) : queue.expired(now);
    }

    private void carryOut(Decision decision) {
        shown = Map.of();
        switch (decision) {
            case Begin begin -> {
                OperationStarted start = begin.update().operation().startingAt(starts.now());
                UpdateWeights update = command(begin.update());
                CheckpointRef checkpoint = Objects.requireNonNull(ledger.find(update.model(), update.version()));
                begun.put(start.id(), begin.update());
                beginning.begin(start, update, checkpoint);
            }
            case GiveUp over -> {
                NeverBegan how = over.expired() ? NeverBegan.EXPIRED : NeverBegan.REFUSED;
                String error = over.expired()
                        ? "it waited until " + over.update().until() + " for its turn: " + over.reason()
                        : "when its turn came: " + over.reason();
                neverBegan(over.update().operation(), how, error);
            }
        }
    }

    private UpdateWeights command(UpdateQueued queued) {
        OperationStarted start = queued.operation();
        String mode = start.mode();
        return new UpdateWeights(
                start.model(),
                Objects.requireNonNull(start.to()),
                mode == null ? null : LoadMode.ofLabel(mode),
                queued.strategy(),
                start.group(),
                queued.verify(),
                new Origin(start.requester(), start.idempotencyKey()),
                nobody);
    }

    /** An update begins, one that waited or another. */
    void begun(OperationStarted start, CheckpointRef checkpoint) {
        limits.began(use(start, checkpoint.bytes()));
    }

    /**
     * The session of an operation refused it.
     *
     * @return whether it had waited for its turn, and who asked need not be told
     */
    boolean notTaken(String id, Refused refused) {
        limits.forget(id);
        UpdateQueued waited = begun.remove(id);
        if (waited == null) {
            return false;
        }
        if (refused.code() == Code.CONFLICT || refused.code() == Code.UNAVAILABLE) {
            queue.putBack(waited, refused.message(), wallClock.instant());
            operations.update(waited.operation().asOperation("queued"));
        } else {
            neverBegan(waited.operation(), NeverBegan.REFUSED, "when its turn came: " + refused.message());
        }
        return true;
    }

    /** An operation is over. */
    void ended(String id) {
        begun.remove(id);
        Instant now = wallClock.instant();
        if (limits.ended(id, now)) {
            queue.retry(now);
        }
        if (!queue.has(id)) {
            queue.forget(id);
        }
    }

    /** Those of a former coordinator that workers have heard of: they began, though the ledger does not say so. */
    List<OperationStarted> begunBefore(Fleet now) {
        return queue.waiting().stream()
                .filter(queued -> now.workers().values().stream()
                        .map(worker -> worker.state().session())
                        .anyMatch(
                                session -> session != null && session.updateId().equals(queued.id())))
                .map(queued -> {
                    queue.remove(queued.id());
                    limits.began(use(queued.operation(), refusals.bytes(queued.operation())));
                    operations.update(queued.operation().asOperation("recovering"));
                    return queued.operation();
                })
                .toList();
    }

    /** Answered when the ledger has it. */
    void cancel(Cancel command) {
        String id = command.id();
        UpdateQueued cancelled = queue.remove(id);
        shown = Map.of();
        if (cancelled != null) {
            String by = Scope.tenantOf(command.origin().requester());
            Operation end =
                    ended(cancelled.operation(), NeverBegan.CANCELLED, "cancelled by " + by + " before its turn came");
            cancellations.begin(cancelled.operation(), end, command.replyTo());
        } else if (!cancellations.await(id, command.replyTo())) {
            past.answer(id, operations.operation(id), known -> Cancellations.reply(id, known), command.replyTo());
        }
    }

    /** The ledger has that an update was called off. */
    void calledOff(String id, boolean durable) {
        cancellations.kept(id, durable);
    }

    private void neverBegan(OperationStarted start, NeverBegan how, String error) {
        journal.neverBegan(start, ended(start, how, error));
    }

    private Operation ended(OperationStarted start, NeverBegan how, String error) {
        Operation operation =
                new Operation(start.id(), start.kind(), OperationReply.State.FAILED, how.label(), 0, 0, error, null);
        queue.forget(start.id());
        operations.update(operation);
        metrics.ended(start.model(), operation);
        return operation;
    }

    /** An update that waits, with its place; null if this one does not. */
    @Nullable
    Operation operation(String id) {
        if (!queue.has(id)) {
            return null;
        }
        Instant now = wallClock.instant();
        if (!shown.containsKey(id) || Duration.between(shownAt, now).abs().compareTo(SHOWN_FOR) > 0) {
            shown = TurnStatus.operations(queue, now);
            shownAt = now;
        }
        return shown.get(id);
    }

    TurnStatus status(Set<String> models) {
        return TurnStatus.of(limits, queue, models, wallClock.instant());
    }

    private static boolean counts(OperationStarted start) {
        return start.kind().equals(UpdateKind.UPDATE.label());
    }

    private static Use use(OperationStarted start, long bytes) {
        return new Use(start.id(), start.model(), Scope.tenantOf(start.requester()), bytes, start.at(), null);
    }
}
