package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.PostStop;
import akka.actor.typed.PreRestart;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.javadsl.TimerScheduler;
import dev.inflight.coordinator.Operations.Running;
import dev.inflight.coordinator.fleet.Epochs;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetMonitor;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.coordinator.fleet.WorkerClaims;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.ledger.LedgerEvent;
import dev.inflight.coordinator.ledger.LedgerState;
import dev.inflight.coordinator.ledger.LedgerWriter;
import dev.inflight.coordinator.ledger.Receipt;
import dev.inflight.coordinator.metrics.CoordinatorMetrics;
import dev.inflight.coordinator.operation.CoordinatorQuery;
import dev.inflight.coordinator.operation.CoordinatorQuery.GetHistory;
import dev.inflight.coordinator.operation.CoordinatorQuery.GetStatus;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.coordinator.operation.OperationView;
import dev.inflight.coordinator.publish.LeaseRouting;
import dev.inflight.coordinator.session.SessionEvent;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.LeaseCommand;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.TrainerCommand;
import dev.inflight.protocol.cluster.TrainerCommand.GetOperation;
import dev.inflight.protocol.cluster.TrainerCommand.UpdateWeights;
import dev.inflight.protocol.cluster.Wire;
import java.time.Duration;
import java.time.InstantSource;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The cluster singleton that decides. It takes trainers' commands and runs one session actor per operation. What it
 * must not forget is in the ledger, and the rest it learns again from the reports of hosts and workers, so a restarted
 * coordinator goes on where the former one stopped.
 */
public final class UpdateCoordinator extends AbstractBehavior<UpdateCoordinator.Command> {
    /** What the coordinator hears, besides {@link TrainerCommand} and {@link CoordinatorQuery}. */
    public sealed interface Command {}

    private record FromTrainer(TrainerCommand command) implements Command {}

    private record Query(CoordinatorQuery query) implements Command {}

    private record AboutLease(LeaseCommand command) implements Command {}

    private record FleetChanged(Fleet fleet) implements Command {}

    private record FromSession(SessionEvent event) implements Command {}

    private record SessionStopped(String id) implements Command {}

    private record Unsettled(String id) implements Command {}

    private record RecoveryDue(long epoch) implements Command {}

    private record FromLedger(LedgerEvent event) implements Command {}

    private record Unreported(String name) implements Command {}

    private enum TurnsDue implements Command {
        /** An update that waited may begin, or has waited long enough. */
        NOW
    }

    private enum JoinsDue implements Command {
        /** A join that failed is to be tried again. */
        RETRY,
        /** Who was there before this coordinator is listed. */
        LISTED
    }

    static final String FLEET_MONITOR = "fleet-monitor";

    /** Name of the actor that keeps the ledger. */
    public static final String LEDGER = "ledger";

    private static final Refused CUT_OFF = new Refused(
            Refused.Code.UNAVAILABLE,
            "this coordinator reaches no majority of the cluster's members and decides nothing; ask again");

    /** How soon a coordinator that was cut off looks again. */
    private static final Duration CUT_OFF_RETRY = Duration.ofSeconds(1);

    /** More than can be asked within a request's time; what comes beside them is asked again. */
    private static final int MOST_STASHED = 1000;

    private final LongSupplier nanoTime;
    private final TimerScheduler<Command> timers;
    private final Starts starts;
    private final Sessions sessions;
    private final Journal journal;
    private final IdempotencyKeys keys;
    private final LostOperations lost;
    private final Operations operations;
    private final VersionLedger ledger;
    private final PreviousVersions previous;
    private final Epochs epochs;
    private final WorkerClaims claims = new WorkerClaims();
    private final JoinDesk desk;
    private final CanaryDesk canaries;
    private final Leaves leaves;
    private final Settling settling;
    private final Recovery recovery;
    private final UpdateTurns turns;
    private final TrainerCommands commands;
    private final CoordinatorMetrics metrics;
    private final Surroundings surroundings;
    private final RollCall rollCall;
    private final Endings endings;
    private Fleet fleet = Fleet.EMPTY;

    private UpdateCoordinator(
            ActorContext<Command> context,
            TimerScheduler<Command> timers,
            CoordinatorSettings settings,
            LongSupplier nanoTime,
            InstantSource wallClock,
            Companions companions,
            CoordinatorMetrics metrics,
            ActorRef<LedgerWriter.Command> writer,
            LedgerState state) {
        super(context);
        this.nanoTime = nanoTime;
        this.timers = timers;
        this.metrics = metrics;
        this.surroundings = companions.surroundings();
        this.epochs = new Epochs(wallClock);
        this.starts = new Starts(wallClock);
        this.journal = new Journal(writer, wallClock, state.unfinished());
        this.keys = new IdempotencyKeys(settings.ledger().keepEntries());
        this.lost = new LostOperations(CanaryDesk.others(state));
        this.operations = new Operations(settings.operationHistory(), metrics);
        this.ledger = new VersionLedger(settings.keepVersions());
        this.previous = new PreviousVersions(settings.keepPrevious(), ledger, operations);
        this.leaves = new Leaves(context, claims);
        this.desk = new JoinDesk(settings.join(), context.getLog());
        ActorRef<SessionEvent> events = context.messageAdapter(SessionEvent.class, FromSession::new);
        PastOperations past = new PastOperations(context, journal);
        this.canaries = new CanaryDesk(
                context,
                settings.canary(),
                wallClock,
                companions.checks(),
                events,
                SessionStopped::new,
                operations,
                past,
                ledger,
                desk.joins());
        Duration patience =
                surroundings.patience(context.getSystem(), settings.update().recoveryWindow());
        timers.startSingleTimer(JoinsDue.LISTED, JoinsDue.LISTED, patience);
        this.rollCall = new RollCall(timers, settings.update().recoveryWindow(), Unreported::new, context.getLog());
        this.settling = new Settling(timers, Unsettled::new);
        this.sessions = new Sessions(
                context,
                settings,
                nanoTime,
                events,
                SessionStopped::new,
                operations,
                ledger,
                epochs,
                claims,
                desk,
                writer);
        this.recovery =
                new Recovery(context, timers, patience, RecoveryDue::new, operations, ledger, sessions, starts, lost);
        CommitHistory history = new CommitHistory();
        this.endings = new Endings(operations, ledger, history, journal, metrics, desk, canaries, recovery, nanoTime);
        this.turns = new UpdateTurns(
                settings.limits(),
                wallClock,
                () -> fleet,
                operations,
                ledger,
                starts,
                journal,
                keys,
                metrics,
                past,
                context.getSystem().ignoreRef(),
                this::begin);
        this.commands = new TrainerCommands(
                () -> fleet,
                operations,
                ledger,
                history,
                keys,
                journal,
                starts,
                sessions,
                turns,
                canaries,
                this::proceed);
        restore(state);
        ActorRef<FleetMonitor.Event> monitor = context.spawn(
                companions.fleetMonitor().apply(context.messageAdapter(Fleet.class, FleetChanged::new)), FLEET_MONITOR);
        // Its end is not handled and so fails the coordinator too: blind, it must start again.
        context.watch(monitor);
        metrics.leads();
    }

    private void restore(LedgerState state) {
        ledger.restore(state);
        keys.restore(state);
        turns.restore(state);
        state.unfinished().forEach(start -> operations.update(start.asOperation("recovering")));
        endings.restore(state);
        canaries.restore(state);
    }

    /**
     * Waits for what the ledger knows before it takes anything else.
     *
     * @param nanoTime the clock that measures, in nanoseconds
     * @param wallClock the clock that epochs and the ledger follow
     * @param metrics of this node
     */
    public static Behavior<Wire> create(
            CoordinatorSettings settings, LongSupplier nanoTime, InstantSource wallClock, CoordinatorMetrics metrics) {
        return create(settings, nanoTime, wallClock, Companions.of(settings, nanoTime, wallClock), metrics);
    }

    /** The same with other companions. */
    public static Behavior<Wire> create(
            CoordinatorSettings settings,
            LongSupplier nanoTime,
            InstantSource wallClock,
            Companions companions,
            CoordinatorMetrics metrics) {
        Behavior<Command> behavior = Behaviors.withStash(
                MOST_STASHED,
                stash -> Behaviors.setup(context -> {
                    ActorRef<LedgerWriter.Command> writer = context.spawn(
                            companions.ledger().apply(context.messageAdapter(LedgerEvent.class, FromLedger::new)),
                            LEDGER);
                    // Its end is not handled and so fails the coordinator too: a later term has begun, or it must start
                    // again.
                    context.watch(writer);
                    return Behaviors.receiveMessage(message -> {
                        if (message instanceof FromLedger ledger
                                && ledger.event() instanceof LedgerEvent.Recovered recovered) {
                            return stash.unstashAll(
                                    Behaviors.setup(same -> Behaviors.withTimers(timers -> new UpdateCoordinator(
                                            same,
                                            timers,
                                            settings,
                                            nanoTime,
                                            wallClock,
                                            companions,
                                            metrics,
                                            writer,
                                            recovered.state()))));
                        }
                        if (!stash.isFull()) {
                            stash.stash(message);
                        }
                        return Behaviors.same();
                    });
                }));
        return Behaviors.transformMessages(
                Wire.class,
                behavior,
                messages -> messages.match(TrainerCommand.class, FromTrainer::new)
                        .match(CoordinatorQuery.class, Query::new)
                        .match(LeaseCommand.class, AboutLease::new));
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(FromTrainer.class, this::onTrainer)
                .onMessage(Query.class, this::onQuery)
                .onMessage(AboutLease.class, this::onLease)
                .onMessage(FleetChanged.class, this::onFleetChanged)
                .onMessage(FromSession.class, this::onSession)
                .onMessage(SessionStopped.class, this::onSessionStopped)
                .onMessage(Unsettled.class, unsettled -> settle(unsettled.id()))
                .onMessage(RecoveryDue.class, this::onRecoveryDue)
                .onMessage(JoinsDue.class, this::onJoinsDue)
                .onMessage(TurnsDue.class, due -> proceed())
                .onMessage(FromLedger.class, this::onLedger)
                .onMessage(Unreported.class, this::onUnreported)
                .onSignal(PostStop.class, stopped -> onStop())
                .onSignal(PreRestart.class, restarted -> onStop())
                .build();
    }

    private Behavior<Command> onTrainer(FromTrainer from) {
        carryOut(from.command(), null);
        return this;
    }

    /** @param asking the canary that asks for it; null if a trainer does */
    private void carryOut(TrainerCommand command, @Nullable String asking) {
        if (isCutOff() && !(command instanceof GetOperation)) {
            command.replyTo().tell(CUT_OFF);
        } else {
            commands.carryOut(command, asking);
        }
    }

    private void begin(OperationStarted start, UpdateWeights update, CheckpointRef checkpoint) {
        commands.begin(start, update, checkpoint);
    }

    private boolean isCutOff() {
        return !surroundings.reachesMajority(getContext().getSystem());
    }

    private Behavior<Command> onLease(AboutLease about) {
        LeaseRouting.pass(about.command(), fleet);
        return this;
    }

    /** Begins updates whose turn has come, once all that a former coordinator may have begun is known. */
    private Behavior<Command> proceed() {
        if (rollCall.areAllListed()) {
            if (isCutOff()) {
                timers.startSingleTimer(TurnsDue.NOW, TurnsDue.NOW, CUT_OFF_RETRY);
            } else {
                turns.proceed(timers, TurnsDue.NOW, rollCall.isComplete());
            }
        }
        return this;
    }

    /** Starts the joins that are due, and sees to it that later ones are. */
    private void startJoins() {
        long now = nanoTime.getAsLong();
        desk.joins().retain(fleet.workers().keySet());
        desk.joins()
                .due(fleet, ledger::versions, this::isFree, rollCall.isComplete(), now)
                .forEach(due -> sessions.join(starts.join(due), due, fleet));
        desk.joins()
                .nextRetry(now)
                .ifPresent(at -> timers.startSingleTimer(JoinsDue.RETRY, JoinsDue.RETRY, Duration.ofNanos(at - now)));
    }

    /** Whether no operation has to do with a worker's engine, those of a former coordinator included. */
    private boolean isFree(FleetWorker worker) {
        EngineStatus engine = worker.engine();
        return worker.unfinished() == null
                && (engine == null || !lost.mayHaveMoved(engine.model()))
                && !claims.ofOthers("").containsKey(worker.id())
                && !operations.haveToDoWith(worker);
    }

    private Behavior<Command> onJoinsDue(JoinsDue due) {
        if (due == JoinsDue.LISTED) {
            rollCall.allListed();
        }
        return goOn();
    }

    private Behavior<Command> onUnreported(Unreported unreported) {
        rollCall.giveUp(unreported.name());
        return goOn();
    }

    /** More may be known than before of what a former coordinator left. */
    private Behavior<Command> goOn() {
        settleLost();
        proceed();
        startJoins();
        return this;
    }

    private Behavior<Command> onQuery(Query query) {
        switch (query.query()) {
            case GetStatus get -> {
                OperationView running =
                        operations.runningUpdate().map(OperationView::of).orElse(null);
                FleetStatus status = FleetStatus.of(
                        fleet,
                        ledger.all(),
                        running,
                        endings.lastUpdate(),
                        canaries.views(),
                        desk.joins(),
                        operations::operation,
                        turns.status(ledger.all().keySet()));
                get.replyTo().tell(new CoordinatorQuery.Status(Json.write(status)));
            }
            case GetHistory get -> journal.tell(get);
        }
        return this;
    }

    private Behavior<Command> onLedger(FromLedger from) {
        if (from.event() instanceof LedgerEvent.Kept kept) {
            switch (kept.receipt()) {
                case Receipt.Taken taken -> commands.kept(taken.operation());
                case Receipt.CalledOff off -> turns.calledOff(off.operation(), kept.durable());
                case Receipt.CanaryMove move -> canaries.kept(move, kept.durable());
            }
        }
        return this;
    }

    private Behavior<Command> onFleetChanged(FleetChanged changed) {
        fleet = changed.fleet();
        metrics.observe(fleet);
        epochs.observe(fleet);
        ledger.observe(fleet, operations::isPublishing).forEach(journal::found);
        tellSessions();
        settling.visibleIn(fleet).forEach(this::settle);
        leaves.observe(fleet, ledger.published());
        releaseUnused();
        turns.begunBefore(fleet).forEach(lost::add);
        recovery.observe(fleet);
        rollCall.observe(fleet);
        return goOn();
    }

    /** Enters how operations of a former coordinator ended, once all that may know it have reported. */
    private void settleLost() {
        if (!rollCall.isComplete()) {
            return;
        }
        for (LostOperations.Settled settled : lost.settle(fleet, ledger)) {
            getContext()
                    .getLog()
                    .warn(
                            "{} {} lost its coordinator: {}",
                            settled.start().kind(),
                            settled.start().id(),
                            settled.operation());
            endings.onSettled(settled);
            turns.ended(settled.start().id());
        }
        canaries.resume(fleet);
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
            case SessionEvent.Running running -> {
                operations.update(running.operation());
                Running session = operations.running(running.id());
                if (session != null) {
                    journal.taken(session.start());
                }
            }
            case SessionEvent.NotTaken notTaken -> {
                Running session = operations.running(notTaken.id());
                if (!turns.notTaken(notTaken.id(), notTaken.refused()) && session != null) {
                    keys.refused(session.start(), notTaken.refused());
                    if (session.replyTo() != null) {
                        session.replyTo().tell(notTaken.refused());
                    }
                }
                desk.ended(notTaken.id(), notTaken.refused().message(), nanoTime.getAsLong());
            }
            case SessionEvent.PublishEnded ended -> endings.onPublishEnded(ended);
            case SessionEvent.UpdateEnded ended -> endings.onUpdateEnded(ended, fleet);
            case SessionEvent.VerifyEnded ended -> endings.onVerifyEnded(ended);
            case SessionEvent.CanaryAsks asks -> carryOut(asks.command(), asks.id());
            case SessionEvent.CanaryMoves moves -> {
                canaries.moved(moves.moved());
                journal.moves(moves.moved(), moves.number());
            }
            case SessionEvent.CanaryEnded ended -> endings.onCanaryEnded(ended);
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
        turns.ended(id);
        proceed();
        startJoins();
    }

    private void tellSessions() {
        for (Running session : operations.running()) {
            if (!settling.contains(session.id())) {
                session.onFleet().accept(fleet);
            }
        }
    }

    /** A session says how it ended; one that stops without has crashed. */
    private Behavior<Command> onSessionStopped(SessionStopped stopped) {
        Running session = operations.running(stopped.id());
        if (session != null && !settling.contains(stopped.id())) {
            endings.onCrash(session);
            released(session.id());
        }
        return this;
    }

    private Behavior<Command> onRecoveryDue(RecoveryDue due) {
        recovery.settle(due.epoch(), fleet);
        return this;
    }

    private Behavior<Command> onStop() {
        metrics.stopped();
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
