package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import akka.actor.typed.javadsl.ActorContext;
import dev.inflight.coordinator.Operations.Running;
import dev.inflight.coordinator.fleet.Epochs;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.WorkerClaims;
import dev.inflight.coordinator.join.Joins;
import dev.inflight.coordinator.operation.SessionEvent;
import dev.inflight.coordinator.publish.PublishSession;
import dev.inflight.coordinator.publish.PublishStart;
import dev.inflight.coordinator.update.UpdateKind;
import dev.inflight.coordinator.update.UpdateRequest;
import dev.inflight.coordinator.update.UpdateSession;
import dev.inflight.coordinator.update.UpdateStart;
import dev.inflight.coordinator.verify.VerifySession;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.TrainerCommand.Publish;
import dev.inflight.protocol.cluster.TrainerCommand.UpdateWeights;
import dev.inflight.protocol.cluster.TrainerCommand.VerifyModel;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
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
            JoinDesk desk) {
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
    }

    void publish(Publish publish, Fleet fleet) {
        String id = newId("publish");
        ActorRef<PublishSession.Command> session = context.spawn(
                PublishSession.create(new PublishStart(
                        id,
                        publish.model(),
                        publish.version(),
                        publish.source(),
                        ledger.find(publish.model(), publish.version()),
                        ledger.versions(publish.model()).values(),
                        new PreviousVersions(settings.keepPrevious(), ledger, operations).spare(fleet),
                        fleet,
                        settings.publish(),
                        nanoTime,
                        events)),
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

    void update(UpdateWeights update, CheckpointRef checkpoint, Fleet fleet) {
        update(UpdateKind.UPDATE, update, checkpoint, fleet);
    }

    void rollback(UpdateWeights update, CheckpointRef checkpoint, Fleet fleet) {
        update(UpdateKind.ROLLBACK, update, checkpoint, fleet);
    }

    private void update(UpdateKind kind, UpdateWeights update, CheckpointRef checkpoint, Fleet fleet) {
        // Engines that are to have the same version take it from all hosts at once.
        boolean standby = !update.strategy().equals(Strategy.BROADCAST.label());
        UpdateRequest request =
                new UpdateRequest(checkpoint, update.mode(), Strategy.BROADCAST, standby, update.group());
        Set<String> awaited = desk.breakOff(checkpoint, fleet);
        update(newId(kind.label()), request, Set.of(), awaited, null, fleet, update.replyTo());
    }

    void join(Joins.Due due, Fleet fleet) {
        String id = newId("join");
        String worker = due.worker().id();
        UpdateRequest request = new UpdateRequest(due.checkpoint(), null, Strategy.P2P, worker);
        desk.started(
                id, due.worker(), due.checkpoint(), update(id, request, Set.of(worker), Set.of(), null, fleet, null));
    }

    /** @param id the operation's id; null if nobody remembers it */
    String takeOver(@Nullable String id, UpdateStart.Orphan orphan, Fleet fleet) {
        String known = id == null ? newId("update") : id;
        UpdateRequest request = new UpdateRequest(
                Orphans.target(orphan, ledger::versions),
                null,
                JoinDesk.isJoin(known) ? Strategy.P2P : Strategy.BROADCAST,
                null);
        update(known, request, Set.of(), Set.of(), orphan, fleet, null);
        return known;
    }

    private ActorRef<UpdateSession.Command> update(
            String id,
            UpdateRequest request,
            Set<String> only,
            Set<String> awaited,
            UpdateStart.@Nullable Orphan orphan,
            Fleet fleet,
            @Nullable ActorRef<OperationReply> replyTo) {
        String model = request.checkpoint().model();
        ActorRef<UpdateSession.Command> session = context.spawnAnonymous(UpdateSession.create(new UpdateStart(
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
                events)));
        started(
                session,
                new Running(
                        id,
                        UpdateKind.of(id).label(),
                        model,
                        request.checkpoint().version(),
                        request.group(),
                        digests(request.checkpoint(), fleet),
                        changed -> session.tell(new UpdateSession.FleetChanged(changed)),
                        replyTo));
        return session;
    }

    void verify(VerifyModel verify, Fleet fleet) {
        String id = newId("verify");
        ActorRef<VerifySession.Command> session = context.spawn(
                VerifySession.create(new VerifySession.Start(
                        id, verify.model(), ledger.versions(verify.model()), fleet, settings.verify(), events)),
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

    private static String newId(String kind) {
        return kind + "-" + UUID.randomUUID().toString().substring(0, 13).replace("-", "");
    }
}
