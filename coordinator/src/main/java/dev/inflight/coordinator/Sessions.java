package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import akka.actor.typed.javadsl.ActorContext;
import dev.inflight.coordinator.Operations.Running;
import dev.inflight.coordinator.fleet.Epochs;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.WorkerClaims;
import dev.inflight.coordinator.join.Joins;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.ledger.LedgerWriter;
import dev.inflight.coordinator.publish.PublishSession;
import dev.inflight.coordinator.publish.PublishStart;
import dev.inflight.coordinator.session.SessionEvent;
import dev.inflight.coordinator.update.UpdateKind;
import dev.inflight.coordinator.update.UpdateRequest;
import dev.inflight.coordinator.update.UpdateSession;
import dev.inflight.coordinator.update.UpdateStart;
import dev.inflight.coordinator.verify.VerifySession;
import dev.inflight.protocol.cluster.BandwidthLimit;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.VerifyPoint;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/** Starts the session actor of each operation. Belongs to the coordinator's actor. */
final class Sessions {
    private final ActorContext<UpdateCoordinator.Command> context;
    private final CoordinatorSettings settings;
    private final LongSupplier nanoTime;
    private final ActorRef<SessionEvent> events;
    private final Function<String, UpdateCoordinator.Command> stopped;
    private final Operations operations;
    private final VersionLedger ledger;
    private final Epochs epochs;
    private final WorkerClaims claims;
    private final JoinDesk desk;
    private final ActorRef<LedgerWriter.Command> writer;

    /**
     * @param events hears what sessions tell
     * @param stopped what the coordinator is told when the session of an operation has stopped
     */
    Sessions(
            ActorContext<UpdateCoordinator.Command> context,
            CoordinatorSettings settings,
            LongSupplier nanoTime,
            ActorRef<SessionEvent> events,
            Function<String, UpdateCoordinator.Command> stopped,
            Operations operations,
            VersionLedger ledger,
            Epochs epochs,
            WorkerClaims claims,
            JoinDesk desk,
            ActorRef<LedgerWriter.Command> writer) {
        this.context = context;
        this.settings = settings;
        this.nanoTime = nanoTime;
        this.events = events;
        this.stopped = stopped;
        this.operations = operations;
        this.ledger = ledger;
        this.epochs = epochs;
        this.claims = claims;
        this.desk = desk;
        this.writer = writer;
    }

    /** @param replyTo hears whether it was taken; null if that is told in another way */
    void publish(OperationStarted start, String source, Fleet fleet, @Nullable ActorRef<OperationReply> replyTo) {
        String version = Objects.requireNonNull(start.to());
        ActorRef<PublishSession.Command> session = context.spawn(
                PublishSession.create(new PublishStart(
                        start.id(),
                        start.model(),
                        version,
                        source,
                        ledger.find(start.model(), version),
                        ledger.versions(start.model()).values(),
                        new PreviousVersions(settings.keepPrevious(), ledger, operations).spare(fleet),
                        fleet,
                        settings.publish(),
                        nanoTime,
                        events)),
                start.id());
        started(
                session,
                new Running(
                        start, Set.of(), changed -> session.tell(new PublishSession.FleetChanged(changed)), replyTo));
    }

    /**
     * @param standby whether engines in which the checkpoint stands by may take that
     * @param verify null for the setting
     */
    void update(
            OperationStarted start,
            CheckpointRef checkpoint,
            @Nullable LoadMode mode,
            boolean standby,
            @Nullable VerifyPoint verify,
            Fleet fleet,
            @Nullable ActorRef<OperationReply> replyTo) {
        // Engines that are to have the same version take it from all hosts at once.
        // Who goes back is not held up.
        List<BandwidthLimit> limits = UpdateKind.of(start.id()) == UpdateKind.ROLLBACK
                ? List.of()
                : settings.limits().bandwidth(checkpoint.model(), start.requester());
        UpdateRequest request =
                new UpdateRequest(checkpoint, mode, Strategy.BROADCAST, standby, start.group(), verify, limits);
        Set<String> awaited = desk.breakOff(checkpoint, fleet);
        update(start, request, Set.of(), awaited, null, fleet, replyTo);
    }

    void join(OperationStarted start, Joins.Due due, Fleet fleet) {
        String worker = due.worker().id();
        UpdateRequest request = new UpdateRequest(due.checkpoint(), null, Strategy.P2P, worker)
                .under(settings.limits().bandwidth(due.checkpoint().model(), due.requester()));
        ActorRef<UpdateSession.Command> session = update(start, request, Set.of(worker), Set.of(), null, fleet, null);
        desk.started(start.id(), due.worker(), due.checkpoint(), session);
    }

    /** @param target what its engines were moving to */
    void takeOver(OperationStarted start, CheckpointRef target, UpdateStart.Orphan orphan, Fleet fleet) {
        Strategy strategy = JoinDesk.isJoin(start.id()) ? Strategy.P2P : Strategy.BROADCAST;
        UpdateRequest request = new UpdateRequest(target, null, strategy, start.group());
        update(start, request, Set.of(), Set.of(), orphan, fleet, null);
    }

    private ActorRef<UpdateSession.Command> update(
            OperationStarted start,
            UpdateRequest request,
            Set<String> only,
            Set<String> awaited,
            UpdateStart.@Nullable Orphan orphan,
            Fleet fleet,
            @Nullable ActorRef<OperationReply> replyTo) {
        String model = request.checkpoint().model();
        UpdateStart updateStart = new UpdateStart(
                start.id(),
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
                events);
        ActorRef<UpdateSession.Command> session =
                context.spawnAnonymous(UpdateSession.create(updateStart, writer::tell));
        started(
                session,
                new Running(
                        start,
                        digests(request.checkpoint(), fleet),
                        changed -> session.tell(new UpdateSession.FleetChanged(changed)),
                        replyTo));
        return session;
    }

    void verify(OperationStarted start, Fleet fleet, @Nullable ActorRef<OperationReply> replyTo) {
        String model = start.model();
        ActorRef<VerifySession.Command> session = context.spawn(
                VerifySession.create(new VerifySession.Start(
                        start.id(), model, start.group(), ledger.versions(model), fleet, settings.verify(), events)),
                start.id());
        started(
                session,
                new Running(
                        start, Set.of(), changed -> session.tell(new VerifySession.FleetChanged(changed)), replyTo));
    }

    private void started(ActorRef<?> session, Running running) {
        operations.started(running);
        context.watchWith(session, stopped.apply(running.id()));
    }

    /** Digests of an update's target and of all versions that engines of the model have: one may have to come back. */
    private Set<String> digests(CheckpointRef target, Fleet fleet) {
        Set<String> digests = new HashSet<>(Set.of(target.digest()));
        Set<String> had = fleet.versionsSeen(target.model());
        Map<String, CheckpointRef> versions = ledger.versions(target.model());
        versions.values().stream()
                .filter(version -> had.contains(version.version()))
                .forEach(version -> digests.add(version.digest()));
        return digests;
    }
}
