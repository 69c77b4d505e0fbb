package dev.inflight.coordinator;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.WorkerEvent.Session;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Operations that a former coordinator began and nobody ended. Those that workers still have are taken over; what the
 * others came to follows from what hosts and workers report. Decisions only.
 */
final class LostOperations {
    /** @param meant see {@link dev.inflight.coordinator.ledger.LedgerEntry.OperationEnded} */
    record Settled(
            OperationStarted start,
            Operation operation,
            @Nullable List<String> meant) {}

    private final Map<String, OperationStarted> lost = new LinkedHashMap<>();

    LostOperations(Collection<OperationStarted> unfinished) {
        unfinished.forEach(start -> lost.put(start.id(), start));
    }

    /** One that began, though the ledger does not say so. */
    void add(OperationStarted start) {
        lost.put(start.id(), start);
    }

    /** How an update that is now taken over began; null if the ledger does not say. */
    @Nullable
    OperationStarted takeOver(@Nullable String id) {
        return id == null ? null : lost.remove(id);
    }

    /** Whether engines of a model may have become something else than what the ledger says, which is yet to be found out. */
    boolean mayHaveMoved(String model) {
        return lost.values().stream()
                .anyMatch(start -> start.moves() && start.model().equals(model));
    }

    /** Those of which no worker has anything left. */
    List<Settled> settle(Fleet fleet, VersionLedger ledger) {
        List<Settled> settled = new ArrayList<>();
        for (OperationStarted start : List.copyOf(lost.values())) {
            boolean unfinished = fleet.workers().values().stream()
                    .map(FleetWorker::unfinished)
                    .anyMatch(session -> session != null && session.updateId().equals(start.id()));
            if (!unfinished) {
                lost.remove(start.id());
                settled.add(settle(start, fleet, ledger));
            }
        }
        return settled;
    }

    private static Settled settle(OperationStarted start, Fleet fleet, VersionLedger ledger) {
        String to = start.to();
        if (start.kind().equals("publish") && to != null && ledger.find(start.model(), to) != null) {
            return new Settled(start, operation(start, "published", null), null);
        }
        if (start.moves() && to != null && isCommitted(start, to, fleet)) {
            String group = start.group();
            return new Settled(start, operation(start, "committed", null), group == null ? List.of() : List.of(group));
        }
        String advice = start.kind().equals("publish")
                ? "no worker host holds it; publish again"
                : "no worker has anything unfinished of it; status says what engines serve";
        return new Settled(start, operation(start, "unknown", "its coordinator was lost, and " + advice), null);
    }

    /** A worker that committed it says so until the next one; later only the engines' versions tell. */
    private static boolean isCommitted(OperationStarted start, String to, Fleet fleet) {
        boolean told = false;
        boolean all = true;
        boolean any = false;
        for (FleetWorker worker : fleet.workers().values()) {
            Session session = worker.state().session();
            told |= session != null
                    && session.updateId().equals(start.id())
                    && session.phase() == Session.Phase.COMMITTED;
            EngineStatus engine = worker.engine();
            if (engine != null && worker.serves(start.model()) && worker.isIn(start.group())) {
                any = true;
                all &= to.equals(engine.version());
            }
        }
        return told || (any && all);
    }

    private static Operation operation(OperationStarted start, String phase, @Nullable String error) {
        return new Operation(
                start.id(),
                start.kind(),
                error == null ? OperationReply.State.SUCCEEDED : OperationReply.State.FAILED,
                phase,
                0,
                0,
                error,
                null);
    }
}
