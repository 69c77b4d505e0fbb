package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.javadsl.TimerScheduler;
import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.coordinator.Operations.Running;
import dev.inflight.coordinator.fleet.Epochs;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetMonitor;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.coordinator.fleet.WorkerClaims;
import dev.inflight.coordinator.operation.CoordinatorQuery;
import dev.inflight.coordinator.operation.CoordinatorQuery.GetStatus;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.coordinator.operation.OperationView;
import dev.inflight.coordinator.operation.SessionEvent;
import dev.inflight.coordinator.update.UpdateKind;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.OperationReply.Refused.Code;
import dev.inflight.protocol.cluster.TrainerCommand;
import dev.inflight.protocol.cluster.TrainerCommand.GetOperation;
import dev.inflight.protocol.cluster.TrainerCommand.Publish;
import dev.inflight.protocol.cluster.TrainerCommand.Rollback;
import dev.inflight.protocol.cluster.TrainerCommand.UpdateWeights;
import dev.inflight.protocol.cluster.TrainerCommand.VerifyModel;
import dev.inflight.protocol.cluster.Wire;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Objects;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The cluster singleton that decides. It takes trainers' commands, runs one session actor per operation and keeps the
 * ledger of versions. All it knows it can learn again from the reports of hosts and workers, so a restarted coordinator
 * goes on where the former one stopped.
 */
public final class UpdateCoordinator extends AbstractBehavior<UpdateCoordinator.Command> {
    /** What the coordinator hears, besides {@link TrainerCommand} and {@link CoordinatorQuery}. */
    public sealed interface Command {}

    private record FromTrainer(TrainerCommand command) implements Command {}

    private record Query(GetStatus query) implements Command {}

    private record FleetChanged(Fleet fleet) implements Command {}

    private record FromSession(SessionEvent event) implements Command {}

    private record SessionStopped(String id) implements Command {}

    private record Unsettled(String id) implements Command {}

    private record RecoveryDue(long epoch) implements Command {}

    private enum JoinsDue implements Command {
        /** A join that failed is to be tried again. */
        RETRY,
        /** What was there before this coordinator has reported. */
        LEARNED
    }

    static final String FLEET_MONITOR = "fleet-monitor";

    private final LongSupplier nanoTime;
    private final TimerScheduler<Command> timers;
    private final Sessions sessions;
    private final Operations operations;
    private final VersionLedger ledger;
    private final PreviousVersions previous;
    private final CommitHistory history = new CommitHistory();
    private final Epochs epochs;
    private final WorkerClaims claims = new WorkerClaims();
    private final JoinDesk desk;
    private final Leaves leaves;
    private final Settling settling;
    private final Recovery recovery;
    private Fleet fleet = Fleet.EMPTY;
    private @Nullable JsonNode lastUpdate;
    private boolean learned;

    private UpdateCoordinator(
            ActorContext<Command> context,
            TimerScheduler<Command> timers,
            CoordinatorSettings settings,
            LongSupplier nanoTime,
            InstantSource wallClock) {
        super(context);
        this.nanoTime = nanoTime;
        this.timers = timers;
        this.epochs = new Epochs(wallClock);
        this.operations = new Operations(settings.operationHistory());
        this.ledger = new VersionLedger(settings.keepVersions());
        this.previous = new PreviousVersions(settings.keepPrevious(), ledger, operations);
        this.leaves = new Leaves(context, claims);
        this.desk = new JoinDesk(settings.join(), context.getLog());
        timers.startSingleTimer(
                JoinsDue.LEARNED, JoinsDue.LEARNED, settings.update().recoveryWindow());
        this.settling = new Settling(timers, Unsettled::new);
        this.sessions = new Sessions(
                context,
                settings,
                nanoTime,
                context.messageAdapter(SessionEvent.class, FromSession::new),
                SessionStopped::new,
                operations,
                ledger,
                epochs,
                claims,
                desk);
        this.recovery = new Recovery(
                context, timers, settings.update().recoveryWindow(), RecoveryDue::new, operations, ledger, sessions);
        ActorRef<FleetMonitor.Event> monitor = context.spawn(
                FleetMonitor.create(context.messageAdapter(Fleet.class, FleetChanged::new), settings.subscribeRetry()),
                FLEET_MONITOR);
        // Its end is not handled and so fails the coordinator too: blind, it must start again.
        context.watch(monitor);
    }

    /**
     * @param nanoTime the clock that measures, in nanoseconds
     * @param wallClock the clock that epochs follow
     */
    public static Behavior<Wire> create(CoordinatorSettings settings, LongSupplier nanoTime, InstantSource wallClock) {
        Behavior<Command> behavior = Behaviors.setup(context ->
                Behaviors.withTimers(timers -> new UpdateCoordinator(context, timers, settings, nanoTime, wallClock)));
        return Behaviors.transformMessages(
                Wire.class,
                behavior,
                messages ->
                        messages.match(TrainerCommand.class, FromTrainer::new).match(GetStatus.class, Query::new));
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(FromTrainer.class, this::onTrainer)
                .onMessage(Query.class, this::onQuery)
                .onMessage(FleetChanged.class, this::onFleetChanged)
                .onMessage(FromSession.class, this::onSession)
                .onMessage(SessionStopped.class, this::onSessionStopped)
                .onMessage(Unsettled.class, unsettled -> settle(unsettled.id()))
                .onMessage(RecoveryDue.class, this::onRecoveryDue)
                .onMessage(JoinsDue.class, this::onJoinsDue)
                .build();
    }

    private Behavior<Command> onTrainer(FromTrainer from) {
        switch (from.command()) {
            case Publish publish -> publish(publish);
            case UpdateWeights update -> update(update);
            case Rollback rollback -> rollback(rollback);
            case VerifyModel verify -> verify(verify);
            case GetOperation get -> {
                Operation operation = operations.operation(get.id());
                get.replyTo()
                        .tell(
                                operation != null
                                        ? operation
                                        : new Refused(Code.NOT_FOUND, "no operation " + get.id() + " is known"));
            }
        }
        return this;
    }

    private void publish(Publish publish) {
        Refused refused = Admission.of(operations, ledger, fleet).refusal(publish);
        if (refused != null) {
            publish.replyTo().tell(refused);
            return;
        }
        sessions.publish(publish, fleet);
    }

    private void update(UpdateWeights update) {
        Refused refused = Admission.of(operations, ledger, fleet).refusal(update);
        CheckpointRef checkpoint = ledger.find(update.model(), update.version());
        if (refused != null || checkpoint == null) {
            update.replyTo().tell(Objects.requireNonNull(refused));
            return;
        }
        sessions.update(update, checkpoint, fleet);
    }

    private void rollback(Rollback rollback) {
        String former = history.previous(rollback.model(), rollback.group());
        Refused refused = Admission.of(operations, ledger, fleet).refusal(rollback, former);
        String target = rollback.to() == null ? former : rollback.to();
        CheckpointRef checkpoint = target == null ? null : ledger.find(rollback.model(), target);
        if (refused != null || checkpoint == null) {
            rollback.replyTo().tell(Objects.requireNonNull(refused));
            return;
        }
        sessions.rollback(Admission.update(rollback, checkpoint.version()), checkpoint, fleet);
    }

    private void verify(VerifyModel verify) {
        Refused refused = Admission.of(operations, ledger, fleet).refusal(verify);
        if (refused != null) {
            verify.replyTo().tell(refused);
            return;
        }
        sessions.verify(verify, fleet);
    }

    /** Starts the joins that are due, and sees to it that later ones are. */
    private void startJoins() {
        long now = nanoTime.getAsLong();
        desk.joins().retain(fleet.workers().keySet());
        boolean complete = learned && !fleet.incomplete();
        desk.joins()
                .due(fleet, ledger::versions, this::isFree, complete, now)
                .forEach(due -> sessions.join(due, fleet));
        desk.joins()
                .nextRetry(now)
                .ifPresent(at -> timers.startSingleTimer(JoinsDue.RETRY, JoinsDue.RETRY, Duration.ofNanos(at - now)));
    }

    /** Whether no operation has to do with a worker's engine. */
    private boolean isFree(FleetWorker worker) {
        return worker.unfinished() == null
                && !claims.ofOthers("").containsKey(worker.id())
                && !operations.haveToDoWith(worker);
    }

    private Behavior<Command> onJoinsDue(JoinsDue due) {
        learned |= due == JoinsDue.LEARNED;
        startJoins();
        return this;
    }

    private Behavior<Command> onQuery(Query query) {
        OperationView running =
                operations.runningUpdate().map(OperationView::of).orElse(null);
        FleetStatus status =
                FleetStatus.of(fleet, ledger.all(), running, lastUpdate, desk.joins(), operations::operation);
        query.query().replyTo().tell(new CoordinatorQuery.Status(Json.write(status)));
        return this;
    }

    private Behavior<Command> onFleetChanged(FleetChanged changed) {
        fleet = changed.fleet();
        epochs.observe(fleet);
        ledger.observe(fleet, operations::isPublishing);
        tellSessions();
        settling.visibleIn(fleet).forEach(this::settle);
        leaves.observe(fleet, ledger.published());
        releaseUnused();
        recovery.observe(fleet);
        startJoins();
        return this;
    }

    private Behavior<Command> onSession(FromSession from) {
        SessionEvent event = from.event();
        if (event.visibleIn(fleet)) {
            take(event);
        } else {
            settling.add(event);
        }
        return this;
    }

    private Behavior<Command> settle(String id) {
        SessionEvent ended = settling.remove(id);
        if (ended != null) {
            take(ended);
        }
        return this;
    }

    private void take(SessionEvent event) {
        switch (event) {
            case SessionEvent.Running running -> operations.update(running.operation());
            case SessionEvent.NotTaken notTaken -> {
                Running session = operations.running(notTaken.id());
                if (session != null && session.replyTo() != null) {
                    session.replyTo().tell(notTaken.refused());
                }
                desk.ended(notTaken.id(), notTaken.refused().message(), nanoTime.getAsLong());
            }
            case SessionEvent.PublishEnded ended -> {
                Running session = operations.running(ended.id());
                if (ended.checkpoint() != null) {
                    ledger.published(ended.checkpoint());
                } else if (session != null) {
                    ledger.publishFailed(session.model(), session.version(), ended.loaded());
                }
                operations.update(ended.operation());
            }
            case SessionEvent.UpdateEnded ended -> onUpdateEnded(ended);
            case SessionEvent.VerifyEnded ended -> operations.update(ended.operation());
        }
        if (event.ended()) {
            operations.ended(event.id());
            released(event.id());
        }
    }

    /** An operation is over: what waited for its workers may go on. */
    private void released(String id) {
        claims.release(id);
        releaseUnused();
        recovery.observe(fleet);
        tellSessions();
        leaves.observe(fleet, ledger.published());
        startJoins();
    }

    private void tellSessions() {
        for (Running session : operations.running()) {
            if (!settling.contains(session.id())) {
                session.onFleet().accept(fleet);
            }
        }
    }

    private void onUpdateEnded(SessionEvent.UpdateEnded ended) {
        recovery.ended(ended.epochs());
        operations.update(ended.operation());
        if (JoinDesk.isJoin(ended.id())) {
            desk.ended(ended, nanoTime.getAsLong());
            recovery.forget(ended.id());
            return;
        }
        String result = ended.operation().resultJson();
        lastUpdate = result == null ? null : Json.tree(result);
        if (ended.committed() != null) {
            ledger.committed(ended.model(), ended.committed(), ended.from(), fleet);
            brought(ended, ended.committed());
        }
        recovery.forget(ended.id());
    }

    /** Of an update that was taken over only those who took part say whom it meant. */
    private void brought(SessionEvent.UpdateEnded ended, String version) {
        Running session = operations.running(ended.id());
        if (session != null && !recovery.hasTakenOver(ended.id())) {
            if (UpdateKind.of(ended.id()) == UpdateKind.ROLLBACK) {
                history.rolledBack(ended.model(), session.group(), version);
            } else {
                history.updated(ended.model(), session.group(), ended.from(), version);
            }
        }
        if (recovery.hasTakenOver(ended.id())) {
            ended.workers().forEach(worker -> desk.joins().committed(ended.model(), worker, version));
        } else {
            desk.joins().committed(ended.model(), session == null ? null : session.group(), version);
        }
    }

    /** A session says how it ended; one that stops without has crashed. */
    private Behavior<Command> onSessionStopped(SessionStopped stopped) {
        Running session = operations.running(stopped.id());
        if (session != null && !settling.contains(stopped.id())) {
            operations.update(session.crashed());
            operations.ended(session.id());
            desk.ended(session.id(), "its session stopped because of an internal error", nanoTime.getAsLong());
            recovery.forget(session.id());
            released(session.id());
        }
        return this;
    }

    private Behavior<Command> onRecoveryDue(RecoveryDue due) {
        recovery.settle(due.epoch(), fleet);
        return this;
    }

    private void releaseUnused() {
        // What a publish loads may be the very bytes that are to go.
        if (!operations.isPublishing()) {
            ledger.releases(fleet, operations.digests())
                    .forEach(release -> release.host().ref().tell(new HostStoreCommand.Release(release.digest())));
            previous.unload(fleet);
        }
    }
}
