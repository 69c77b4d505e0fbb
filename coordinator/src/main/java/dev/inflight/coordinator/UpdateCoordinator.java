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
import dev.inflight.coordinator.join.Joins;
import dev.inflight.coordinator.operation.CoordinatorQuery;
import dev.inflight.coordinator.operation.CoordinatorQuery.GetStatus;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.coordinator.operation.OperationView;
import dev.inflight.coordinator.operation.SessionEvent;
import dev.inflight.coordinator.publish.LeaseRouting;
import dev.inflight.coordinator.publish.PublishSession;
import dev.inflight.coordinator.publish.PublishStart;
import dev.inflight.coordinator.update.UpdateRequest;
import dev.inflight.coordinator.update.UpdateSession;
import dev.inflight.coordinator.update.UpdateStart;
import dev.inflight.coordinator.verify.VerifySession;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.LeaseCommand;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.OperationReply.Refused.Code;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.TrainerCommand;
import dev.inflight.protocol.cluster.TrainerCommand.GetOperation;
import dev.inflight.protocol.cluster.TrainerCommand.Publish;
import dev.inflight.protocol.cluster.TrainerCommand.UpdateWeights;
import dev.inflight.protocol.cluster.TrainerCommand.VerifyModel;
import dev.inflight.protocol.cluster.Wire;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.Session;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
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

    private record AboutLease(LeaseCommand command) implements Command {}

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

    /** Longest wait for the fleet's reports to show how an operation ended. */
    private static final Duration SETTLE_LIMIT = Duration.ofSeconds(1);

    /** Enough for every worker that can still be unreachable with an old update. */
    private static final int REMEMBERED_EPOCHS = 1024;

    private final CoordinatorSettings settings;
    private final LongSupplier nanoTime;
    private final TimerScheduler<Command> timers;
    private final ActorRef<SessionEvent> sessionEvents;
    private final Operations operations;
    private final VersionLedger ledger;
    private final Epochs epochs;
    private final WorkerClaims claims = new WorkerClaims();
    private final JoinDesk desk;
    private final Set<String> takenOver = new HashSet<>();
    private final Leaves leaves;
    private final SortedMap<Long, Boolean> endedEpochs = new TreeMap<>();
    private final Map<String, SessionEvent> settling = new HashMap<>();
    private final Set<Long> recovering = new HashSet<>();
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
        this.settings = settings;
        this.nanoTime = nanoTime;
        this.timers = timers;
        this.epochs = new Epochs(wallClock);
        this.operations = new Operations(settings.operationHistory());
        this.ledger = new VersionLedger(settings.keepVersions());
        this.leaves = new Leaves(context, claims);
        this.desk = new JoinDesk(settings.join(), context.getLog());
        timers.startSingleTimer(
                JoinsDue.LEARNED, JoinsDue.LEARNED, settings.update().recoveryWindow());
        this.sessionEvents = context.messageAdapter(SessionEvent.class, FromSession::new);
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
                messages -> messages.match(TrainerCommand.class, FromTrainer::new)
                        .match(LeaseCommand.class, AboutLease::new)
                        .match(GetStatus.class, Query::new));
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
                .build();
    }

    private Behavior<Command> onTrainer(FromTrainer from) {
        switch (from.command()) {
            case Publish publish -> publish(publish);
            case UpdateWeights update -> update(update);
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

    private Behavior<Command> onLease(AboutLease about) {
        LeaseRouting.pass(about.command(), fleet);
        return this;
    }

    private void publish(Publish publish) {
        Refused refused = Admission.of(operations, ledger, fleet).refusal(publish);
        if (refused != null) {
            publish.replyTo().tell(refused);
            return;
        }
        String id = newId("publish");
        ActorRef<PublishSession.Command> session = getContext()
                .spawn(
                        PublishSession.create(new PublishStart(
                                id,
                                publish.model(),
                                publish.version(),
                                publish.source(),
                                ledger.find(publish.model(), publish.version()),
                                ledger.versions(publish.model()).values(),
                                fleet,
                                settings.publish(),
                                nanoTime,
                                sessionEvents)),
                        id);
        started(
                session,
                new Running(
                        id,
                        "publish",
                        publish.model(),
                        publish.version(),
                        null,
                        Set.of(),
                        changed -> session.tell(new PublishSession.FleetChanged(changed)),
                        publish.replyTo()));
    }

    private void update(UpdateWeights update) {
        Refused refused = Admission.of(operations, ledger, fleet).refusal(update);
        CheckpointRef checkpoint = ledger.find(update.model(), update.version());
        if (refused != null || checkpoint == null) {
            update.replyTo().tell(Objects.requireNonNull(refused));
            return;
        }
        // Engines that are to have the same version take it from all hosts at once.
        UpdateRequest request = new UpdateRequest(checkpoint, update.mode(), Strategy.BROADCAST, update.group());
        Set<String> awaited = desk.breakOff(checkpoint, fleet);
        update(newId("update"), request, Set.of(), awaited, null, update.replyTo());
    }

    private ActorRef<UpdateSession.Command> update(
            String id,
            UpdateRequest request,
            Set<String> only,
            Set<String> awaited,
            UpdateStart.@Nullable Orphan orphan,
            @Nullable ActorRef<OperationReply> replyTo) {
        String model = request.checkpoint().model();
        ActorRef<UpdateSession.Command> session = getContext()
                .spawnAnonymous(UpdateSession.create(new UpdateStart(
                        id,
                        request,
                        only,
                        awaited,
                        ledger.versions(model),
                        orphan,
                        fleet,
                        epochs,
                        claims,
                        desk.sources(),
                        settings.update(),
                        nanoTime,
                        sessionEvents)));
        started(
                session,
                new Running(
                        id,
                        JoinDesk.isJoin(id) ? "join" : "update",
                        model,
                        request.checkpoint().version(),
                        request.group(),
                        digests(request.checkpoint()),
                        changed -> session.tell(new UpdateSession.FleetChanged(changed)),
                        replyTo));
        return session;
    }

    /** Starts the joins that are due, and sees to it that later ones are. */
    private void startJoins() {
        long now = nanoTime.getAsLong();
        desk.joins().retain(fleet.workers().keySet());
        boolean complete = learned && !fleet.incomplete();
        for (Joins.Due due : desk.joins().due(fleet, ledger::versions, this::isFree, complete, now)) {
            String id = newId("join");
            FleetWorker worker = due.worker();
            UpdateRequest request = new UpdateRequest(due.checkpoint(), null, Strategy.P2P, worker.id());
            desk.started(id, worker, due.checkpoint(), update(id, request, Set.of(worker.id()), Set.of(), null, null));
        }
        desk.joins()
                .nextRetry(now)
                .ifPresent(at -> timers.startSingleTimer(JoinsDue.RETRY, JoinsDue.RETRY, Duration.ofNanos(at - now)));
    }

    /** Whether no operation has to do with a worker's engine. */
    private boolean isFree(FleetWorker worker) {
        if (worker.unfinished() != null || claims.ofOthers("").containsKey(worker.id())) {
            return false;
        }
        return operations.running().stream()
                .filter(session -> worker.serves(session.model()))
                .noneMatch(session -> session.kind().equals("verify")
                        || (!session.kind().equals("publish") && worker.isIn(session.group())));
    }

    private Behavior<Command> onJoinsDue(JoinsDue due) {
        learned |= due == JoinsDue.LEARNED;
        startJoins();
        return this;
    }

    private void verify(VerifyModel verify) {
        Refused refused = Admission.of(operations, ledger, fleet).refusal(verify);
        if (refused != null) {
            verify.replyTo().tell(refused);
            return;
        }
        String id = newId("verify");
        ActorRef<VerifySession.Command> session = getContext()
                .spawn(
                        VerifySession.create(new VerifySession.Start(
                                id,
                                verify.model(),
                                ledger.versions(verify.model()),
                                fleet,
                                settings.verify(),
                                sessionEvents)),
                        id);
        started(
                session,
                new Running(
                        id,
                        "verify",
                        verify.model(),
                        "",
                        null,
                        Set.of(),
                        changed -> session.tell(new VerifySession.FleetChanged(changed)),
                        verify.replyTo()));
    }

    private void started(ActorRef<?> session, Running running) {
        operations.started(running);
        getContext().watchWith(session, new SessionStopped(running.id()));
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
        ledger.observe(fleet, this::publishing);
        tellSessions();
        for (SessionEvent ended : List.copyOf(settling.values())) {
            if (ended.visibleIn(fleet)) {
                settle(ended.id());
            }
        }
        leaves.observe(fleet, ledger.published());
        releaseUnused();
        settleOrphans();
        startJoins();
        return this;
    }

    private Behavior<Command> onSession(FromSession from) {
        SessionEvent event = from.event();
        if (event.visibleIn(fleet)) {
            take(event);
        } else {
            // Sessions hear from workers and hosts on another way than the fleet's reports come.
            settling.put(event.id(), event);
            timers.startSingleTimer(event.id(), new Unsettled(event.id()), SETTLE_LIMIT);
        }
        return this;
    }

    private Behavior<Command> settle(String id) {
        timers.cancel(id);
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
        settleOrphans();
        tellSessions();
        leaves.observe(fleet, ledger.published());
        startJoins();
    }

    private void tellSessions() {
        for (Running session : operations.running()) {
            if (!settling.containsKey(session.id())) {
                session.onFleet().accept(fleet);
            }
        }
    }

    private void onUpdateEnded(SessionEvent.UpdateEnded ended) {
        endedEpochs.putAll(ended.epochs());
        while (endedEpochs.size() > REMEMBERED_EPOCHS) {
            endedEpochs.remove(endedEpochs.firstKey());
        }
        operations.update(ended.operation());
        if (JoinDesk.isJoin(ended.id())) {
            desk.ended(ended, nanoTime.getAsLong());
            takenOver.remove(ended.id());
            return;
        }
        String result = ended.operation().resultJson();
        lastUpdate = result == null ? null : Json.tree(result);
        if (ended.committed() != null) {
            ledger.committed(ended.model(), ended.committed(), ended.from(), fleet);
            brought(ended, ended.committed());
        }
        takenOver.remove(ended.id());
    }

    /** Of an update that was taken over only those who took part say whom it meant. */
    private void brought(SessionEvent.UpdateEnded ended, String version) {
        Running session = operations.running(ended.id());
        if (takenOver.contains(ended.id())) {
            ended.workers().forEach(worker -> desk.joins().committed(ended.model(), worker, version));
        } else {
            desk.joins().committed(ended.model(), session == null ? null : session.group(), version);
        }
    }

    /** A session says how it ended; one that stops without has crashed. */
    private Behavior<Command> onSessionStopped(SessionStopped stopped) {
        Running session = operations.running(stopped.id());
        if (session != null && !settling.containsKey(stopped.id())) {
            operations.update(new Operation(
                    session.id(),
                    session.kind(),
                    OperationReply.State.FAILED,
                    "failed",
                    0,
                    0,
                    "the session stopped because of an internal error; see the coordinator's log",
                    null));
            operations.ended(session.id());
            desk.ended(session.id(), "its session stopped because of an internal error", nanoTime.getAsLong());
            takenOver.remove(session.id());
            released(session.id());
        }
        return this;
    }

    /**
     * Ends what workers still have of updates that no session runs: at once if all that took part have reported, else
     * when the recovery window is over.
     */
    private void settleOrphans() {
        Set<Long> unsettled = new TreeSet<>();
        for (FleetWorker worker : fleet.workers().values()) {
            Session session = worker.unfinished();
            if (session != null && operations.running(session.updateId()) == null) {
                unsettled.add(session.epoch());
            }
        }
        for (long epoch : unsettled) {
            if (isCompleteOrphan(epoch)) {
                timers.cancel(epoch);
                onRecoveryDue(new RecoveryDue(epoch));
            } else if (recovering.add(epoch)) {
                timers.startSingleTimer(
                        epoch, new RecoveryDue(epoch), settings.update().recoveryWindow());
            }
        }
    }

    /** What this coordinator itself has ended is none: its workers get the time to end it too. */
    private boolean isCompleteOrphan(long epoch) {
        UpdateStart.Orphan orphan = endedEpochs.containsKey(epoch) ? null : Orphans.find(fleet, epoch);
        return orphan != null && Orphans.complete(orphan, fleet, ledger::versions);
    }

    private WorkerCommand abort(long epoch) {
        ActorRef<WorkerEvent> nobody = getContext().getSystem().ignoreRef();
        return new WorkerCommand.Abort(epoch, "the update was aborted", nobody);
    }

    private Behavior<Command> onRecoveryDue(RecoveryDue due) {
        recovering.remove(due.epoch());
        UpdateStart.Orphan orphan = Orphans.find(fleet, due.epoch());
        if (orphan != null) {
            Boolean committed = endedEpochs.get(due.epoch());
            if (committed == null) {
                takeOver(orphan);
            } else {
                WorkerCommand last = committed ? new WorkerCommand.Commit(due.epoch()) : abort(due.epoch());
                orphan.members().values().forEach(worker -> worker.ref().tell(last));
            }
            settleOrphans();
        }
        return this;
    }

    private void takeOver(UpdateStart.Orphan orphan) {
        String id = orphan.members().values().stream()
                .map(worker -> worker.state().session())
                .filter(Objects::nonNull)
                .map(Session::updateId)
                .findFirst()
                .orElseGet(() -> newId("update"));
        if (operations.running(id) == null) {
            getContext()
                    .getLog()
                    .warn("Taking over update {} of epoch {}, commit: {}", id, orphan.epoch(), orphan.commit());
            takenOver.add(id);
            update(
                    id,
                    new UpdateRequest(
                            Orphans.target(orphan, ledger::versions),
                            null,
                            JoinDesk.isJoin(id) ? Strategy.P2P : Strategy.BROADCAST,
                            null),
                    Set.of(),
                    Set.of(),
                    orphan,
                    null);
        }
    }

    private boolean publishing(String model, String version) {
        return operations.running().stream()
                .anyMatch(session ->
                        session.is("publish", model) && session.version().equals(version));
    }

    private void releaseUnused() {
        if (operations.running().stream().anyMatch(session -> session.kind().equals("publish"))) {
            // What it loads may be these very bytes.
            return;
        }
        Set<String> inUse = new HashSet<>();
        operations.running().forEach(session -> inUse.addAll(session.digests()));
        ledger.releases(fleet, inUse)
                .forEach(release -> release.host().ref().tell(new HostStoreCommand.Release(release.digest())));
    }

    /** Digests of an update's target and of all versions that engines of the model have: one may have to come back. */
    private Set<String> digests(CheckpointRef target) {
        Set<String> digests = new HashSet<>(Set.of(target.digest()));
        Set<String> had = fleet.versionsSeen(target.model());
        ledger.versions(target.model()).values().stream()
                .filter(version -> had.contains(version.version()))
                .forEach(version -> digests.add(version.digest()));
        return digests;
    }

    private static String newId(String kind) {
        return kind + "-" + UUID.randomUUID().toString().substring(0, 13).replace("-", "");
    }
}
