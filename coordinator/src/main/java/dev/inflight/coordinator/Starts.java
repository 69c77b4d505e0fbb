package dev.inflight.coordinator;

import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.coordinator.join.Joins;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.coordinator.update.UpdateKind;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.LeaseId;
import dev.inflight.protocol.cluster.LoadMode;
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
import dev.inflight.protocol.cluster.VerifyPoint;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** Gives operations their ids and says how they begin, in the ledger's terms. */
record Starts(InstantSource wallClock) {
    /** Who asks for joins. */
    private static final Origin COORDINATOR = new Origin("coordinator", null);

    OperationStarted publish(Publish publish) {
        return start(
                newId("publish"),
                "publish",
                publish.model(),
                publish.version(),
                null,
                publish.origin(),
                request(publish),
                null,
                null,
                null);
    }

    OperationStarted update(UpdateWeights update, CheckpointRef checkpoint) {
        return start(
                newId("update"),
                "update",
                update.model(),
                update.version(),
                checkpoint.digest(),
                update.origin(),
                request(update),
                mode(update),
                Strategy.BROADCAST.label(),
                update.group());
    }

    OperationStarted canary(CanaryUpdate canary, CheckpointRef checkpoint) {
        return start(
                newId(CanaryDesk.KIND),
                CanaryDesk.KIND,
                canary.model(),
                canary.version(),
                checkpoint.digest(),
                canary.origin(),
                request(canary),
                canary.mode() == null ? null : canary.mode().label(),
                canary.strategy(),
                canary.group());
    }

    OperationStarted rollback(Rollback rollback, CheckpointRef checkpoint) {
        LoadMode mode = rollback.mode();
        return start(
                newId("rollback"),
                "rollback",
                rollback.model(),
                checkpoint.version(),
                checkpoint.digest(),
                rollback.origin(),
                request(rollback),
                mode == null ? null : mode.label(),
                Strategy.BROADCAST.label(),
                rollback.group());
    }

    OperationStarted join(Joins.Due due) {
        FleetWorker worker = due.worker();
        CheckpointRef checkpoint = due.checkpoint();
        return start(
                newId("join"),
                "join",
                checkpoint.model(),
                checkpoint.version(),
                checkpoint.digest(),
                COORDINATOR,
                null,
                null,
                Strategy.P2P.label(),
                worker.id());
    }

    OperationStarted verify(VerifyModel verify) {
        return start(
                newId("verify"),
                "verify",
                verify.model(),
                null,
                null,
                verify.origin(),
                request(verify),
                null,
                null,
                verify.group());
    }

    /**
     * An update, or a join, whose beginning the ledger does not have.
     *
     * @param id null if nobody remembers it
     */
    OperationStarted unknown(@Nullable String id, CheckpointRef target) {
        String known = id == null ? newId("update") : id;
        boolean join = JoinDesk.isJoin(known);
        return start(
                known,
                UpdateKind.of(known).label(),
                target.model(),
                target.version(),
                target.digest(),
                join ? COORDINATOR : Origin.UNKNOWN,
                null,
                null,
                (join ? Strategy.P2P : Strategy.BROADCAST).label(),
                null);
    }

    /** What tells one command from another: equal texts mean the same. */
    static String request(TrainerCommand command) {
        return switch (command) {
            case Publish publish -> request("publish", publish.model(), publish.version(), source(publish));
            case UpdateWeights update -> {
                VerifyPoint verify = update.verify();
                String text = request(
                        "update", update.model(), update.version(), mode(update), update.strategy(), update.group());
                // Without it the text is what it was before there was a choice.
                yield verify == null ? text : request(text, verify.label());
            }
            case CanaryUpdate canary ->
                request(
                        "canary",
                        canary.model(),
                        canary.version(),
                        canary.mode() == null ? null : canary.mode().label(),
                        canary.strategy(),
                        canary.group(),
                        Json.write(canary.canary()));
            case DecideCanary decide -> request(decide.decision().name(), decide.operation(), decide.model());
            case Rollback rollback ->
                request(
                        "rollback",
                        rollback.model(),
                        rollback.to(),
                        rollback.mode() == null ? null : rollback.mode().label(),
                        rollback.group());
            case Enqueue enqueue -> request(enqueue.update());
            case Cancel cancel -> request("cancel", cancel.id());
            case VerifyModel verify ->
                verify.group() == null
                        ? request("verify", verify.model())
                        : request("verify", verify.model(), verify.group());
            case GetOperation get -> request("operation", get.id());
        };
    }

    /** A trainer that repeats a publish writes into another arena. */
    private static String source(Publish publish) {
        return LeaseId.ofSource(publish.source()) == null ? publish.source() : "arena";
    }

    private static String request(@Nullable String... fields) {
        return Json.write(Arrays.asList(fields));
    }

    private static @Nullable String mode(UpdateWeights update) {
        return update.mode() == null ? null : update.mode().label();
    }

    private OperationStarted start(
            String id,
            String kind,
            String model,
            @Nullable String to,
            @Nullable String digest,
            Origin origin,
            @Nullable String request,
            @Nullable String mode,
            @Nullable String strategy,
            @Nullable String group) {
        boolean keyed = origin.idempotencyKey() != null;
        return new OperationStarted(
                id,
                kind,
                model,
                to,
                digest,
                origin.requester(),
                origin.idempotencyKey(),
                keyed ? request : null,
                mode,
                strategy,
                group,
                now());
    }

    /** Now, as precise as the ledger is. */
    Instant now() {
        return wallClock.instant().truncatedTo(ChronoUnit.MILLIS);
    }

    private static String newId(String kind) {
        return kind + "-" + UUID.randomUUID().toString().substring(0, 13).replace("-", "");
    }
}
