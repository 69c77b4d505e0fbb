package dev.inflight.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.coordinator.Operations.Running;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationEnded;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.ledger.LedgerState;
import dev.inflight.coordinator.metrics.CoordinatorMetrics;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.coordinator.session.SessionEvent;
import dev.inflight.coordinator.update.UpdateKind;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import java.util.List;
import java.util.Set;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * What follows from the end of an operation: what the ledger and trainers are told, which versions are published, which one
 * each engine should have from now on, and which it had. Belongs to the coordinator's actor.
 */
final class Endings {
    private final Operations operations;
    private final VersionLedger ledger;
    private final CommitHistory history;
    private final Journal journal;
    private final CoordinatorMetrics metrics;
    private final JoinDesk desk;
    private final CanaryDesk canaries;
    private final Recovery recovery;
    private final LongSupplier nanoTime;
    private @Nullable JsonNode lastUpdate;

    Endings(
            Operations operations,
            VersionLedger ledger,
            CommitHistory history,
            Journal journal,
            CoordinatorMetrics metrics,
            JoinDesk desk,
            CanaryDesk canaries,
            Recovery recovery,
            LongSupplier nanoTime) {
        this.operations = operations;
        this.ledger = ledger;
        this.history = history;
        this.journal = journal;
        this.metrics = metrics;
        this.desk = desk;
        this.canaries = canaries;
        this.recovery = recovery;
        this.nanoTime = nanoTime;
    }

    /** The result of the update or rollback that ended last; null if none is known. */
    @Nullable
    JsonNode lastUpdate() {
        return lastUpdate;
    }

    /** Takes what ended under former coordinators. */
    void restore(LedgerState state) {
        for (OperationEnded ended : state.ended()) {
            OperationStarted start = ended.operation();
            boolean goneBack = start.kind().equals(CanaryDesk.KIND) && !ended.succeeded();
            String had = ended.before().stream().findFirst().orElse(null);
            brought(start, goneBack ? had : start.to(), ended.before(), ended.meant());
            if (start.moves() && ended.result() != null) {
                lastUpdate = Json.tree(ended.result());
            }
        }
    }

    /** What became of an operation that a former coordinator began was found out. */
    void onSettled(LostOperations.Settled settled) {
        OperationStarted start = settled.start();
        operations.update(settled.operation());
        operations.ended(start.id());
        metrics.ended(start.model(), settled.operation());
        journal.ended(start, settled.operation(), Set.of(), settled.meant());
        brought(start, start.to(), Set.of(), settled.meant());
    }

    void onPublishEnded(SessionEvent.PublishEnded ended) {
        Running session = operations.running(ended.id());
        CheckpointRef checkpoint = ended.checkpoint();
        if (checkpoint != null) {
            boolean fresh = ledger.find(checkpoint.model(), checkpoint.version()) == null;
            ledger.published(checkpoint);
            if (fresh && session != null) {
                journal.published(session.start(), checkpoint);
            }
        } else if (session != null) {
            ledger.publishFailed(session.model(), session.version(), ended.loaded());
        }
        end(ended.operation(), Set.of(), null);
    }

    void onVerifyEnded(SessionEvent.VerifyEnded ended) {
        end(ended.operation(), Set.of(), null);
    }

    void onUpdateEnded(SessionEvent.UpdateEnded ended, Fleet fleet) {
        recovery.ended(ended.epochs());
        String version = ended.committed();
        // What was taken over when nobody could say any more to which version it was brings none.
        boolean brings = version != null && ledger.find(ended.model(), version) != null;
        List<String> meant = JoinDesk.isJoin(ended.id()) || !brings ? null : meant(ended);
        end(ended.operation(), ended.from(), meant);
        if (JoinDesk.isJoin(ended.id())) {
            desk.ended(ended, nanoTime.getAsLong());
        } else {
            String result = ended.operation().resultJson();
            lastUpdate = result == null ? null : Json.tree(result);
            Running session = operations.running(ended.id());
            if (version != null && session != null) {
                ledger.committed(ended.model(), version, ended.from(), canaries.versionsNeeded(ended.model()), fleet)
                        .forEach(gone -> journal.dropped(gone, version));
                brought(session.start(), version, ended.from(), meant);
            } else if (version == null) {
                desk.joins().aborted(ended.model(), ended.former());
            }
        }
        recovery.forget(ended.id());
    }

    void onCanaryEnded(SessionEvent.CanaryEnded ended) {
        Running session = operations.running(ended.id());
        Set<String> before = Set.of(ended.from());
        List<String> meant = ended.meant() == null ? List.of() : List.of(ended.meant());
        end(ended.operation(), before, meant);
        if (session != null) {
            brought(session.start(), ended.brought(), before, meant);
        }
        canaries.ended(ended.id());
    }

    /** A session stopped without saying how it ended. */
    void onCrash(Running session) {
        SessionEvent.CanaryEnded canary = canaries.crashed(session);
        if (canary == null) {
            end(session.crashed(), Set.of(), null);
        } else {
            onCanaryEnded(canary);
        }
        operations.ended(session.id());
        desk.ended(session.id(), "its session stopped because of an internal error", nanoTime.getAsLong());
        recovery.forget(session.id());
    }

    private void end(Operation operation, Set<String> before, @Nullable List<String> meant) {
        operations.update(operation);
        Running session = operations.running(operation.id());
        if (session != null) {
            journal.taken(session.start());
            journal.ended(session.start(), operation, before, meant);
            metrics.ended(session.model(), operation);
        }
    }

    /** Of an update that nobody remembers only those who took part say whom it meant. */
    private List<String> meant(SessionEvent.UpdateEnded ended) {
        if (recovery.hasTakenOverUnknown(ended.id())) {
            return List.copyOf(ended.workers());
        }
        Running session = operations.running(ended.id());
        String group = session == null ? null : session.group();
        return group == null ? List.of() : List.of(group);
    }

    /**
     * @param version null if it was about none
     * @param before versions that engines had before
     */
    private void brought(
            OperationStarted start, @Nullable String version, Set<String> before, @Nullable List<String> meant) {
        if (meant == null || version == null) {
            return;
        }
        if (start.kind().equals(CanaryDesk.KIND)) {
            String group = meant.isEmpty() ? null : meant.getFirst();
            if (before.contains(version)) {
                history.rolledBack(start.model(), group, version);
            } else {
                history.updated(start.model(), group, before, version);
            }
        } else if (start.kind().equals(UpdateKind.ROLLBACK.label())) {
            history.rolledBack(start.model(), start.group(), version);
        } else if (start.kind().equals(UpdateKind.UPDATE.label())) {
            history.updated(start.model(), start.group(), before, version);
        }
        if (meant.isEmpty()) {
            desk.joins().committed(start.model(), null, version, start.requester());
        }
        meant.forEach(group -> desk.joins().committed(start.model(), group, version, start.requester()));
    }
}
