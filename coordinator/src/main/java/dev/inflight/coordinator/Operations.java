package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.metrics.CoordinatorMetrics;
import dev.inflight.protocol.cluster.EngineSelection;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The sessions that run and the operations to be asked about, of which the oldest ended ones are forgotten. */
final class Operations {
    /**
     * A session that runs.
     *
     * @param start as the ledger has it
     * @param digests checkpoints that must not be released while it runs
     * @param onFleet tells the session of a changed fleet
     * @param replyTo who is still to hear whether it was taken; null if nobody is
     */
    record Running(
            OperationStarted start,
            Set<String> digests,
            Consumer<Fleet> onFleet,
            @Nullable ActorRef<OperationReply> replyTo) {
        String id() {
            return start.id();
        }

        String kind() {
            return start.kind();
        }

        String model() {
            return start.model();
        }

        /** The version it is about; empty for a verification. */
        String version() {
            return start.to() == null ? "" : start.to();
        }

        /** Engines it is about; null for all of the model. */
        @Nullable
        String group() {
            return start.group();
        }

        boolean is(String otherKind, String otherModel) {
            return kind().equals(otherKind) && model().equals(otherModel);
        }

        /** Whether it watches some engines of a model and decides what becomes of it. */
        boolean isCanary(String otherModel) {
            return is(CanaryDesk.KIND, otherModel);
        }

        /** Whether it moves engines of a model because somebody asked for it. */
        boolean moves(String otherModel) {
            return start.moves() && model().equals(otherModel);
        }

        /** How it ended, if its session stopped without saying so. */
        Operation crashed() {
            return new Operation(
                    id(),
                    kind(),
                    OperationReply.State.FAILED,
                    "failed",
                    0,
                    0,
                    "the session stopped because of an internal error; see the coordinator's log",
                    null);
        }

        Running answered() {
            return new Running(start, digests, onFleet, null);
        }
    }

    /** Phase of one whose session has not told of itself yet. */
    private static final String BEGINNING = "preparing";

    private final int history;
    private final CoordinatorMetrics metrics;
    private final Map<String, Running> running = new LinkedHashMap<>();
    private final Map<String, EngineSelection> selections = new HashMap<>();
    private final Map<String, Operation> operations = new LinkedHashMap<>();

    /** @param history how many ended operations are remembered */
    Operations(int history, CoordinatorMetrics metrics) {
        this.history = history;
        this.metrics = metrics;
    }

    void started(Running session) {
        running.put(session.id(), session);
        if (session.group() != null) {
            selections.put(session.id(), EngineSelection.of(session.group()));
        }
        metrics.began(session.kind());
    }

    @Nullable
    Running running(String id) {
        return running.get(id);
    }

    Collection<Running> running() {
        return running.values();
    }

    boolean isPublishing() {
        return running.values().stream().anyMatch(session -> session.kind().equals("publish"));
    }

    boolean isPublishing(String model, String version) {
        return running.values().stream()
                .anyMatch(session ->
                        session.is("publish", model) && session.version().equals(version));
    }

    /** Whether a running operation is about a worker's engine; a canary leaves engines to its updates. */
    boolean haveToDoWith(FleetWorker worker) {
        return running.values().stream()
                .filter(session -> worker.serves(session.model()))
                .filter(session -> !session.kind().equals("publish") && !session.isCanary(session.model()))
                .anyMatch(session -> worker.isIn(selections.get(session.id())));
    }

    /** Checkpoints that running operations need. */
    Set<String> digests() {
        Set<String> digests = new HashSet<>();
        running.values().forEach(session -> digests.addAll(session.digests()));
        return digests;
    }

    /** Takes an operation's new state and tells whoever waits to hear that it was taken. */
    void update(Operation operation) {
        operations.put(operation.id(), operation);
        Running session = running.get(operation.id());
        if (session != null && session.replyTo() != null) {
            session.replyTo().tell(operation);
            running.put(session.id(), session.answered());
        }
    }

    void ended(String id) {
        Running over = running.remove(id);
        selections.remove(id);
        if (over != null) {
            metrics.over(over.kind());
        }
        Iterator<String> oldest = operations.keySet().iterator();
        int surplus = operations.size() - running.size() - history;
        while (surplus > 0 && oldest.hasNext()) {
            if (!running.containsKey(oldest.next())) {
                oldest.remove();
                surplus--;
            }
        }
    }

    /** An operation that runs or has ended; null if none is known. One is known before its session has told of itself. */
    @Nullable
    Operation operation(String id) {
        Operation told = operations.get(id);
        Running session = running.get(id);
        return told == null && session != null ? session.start().asOperation(BEGINNING) : told;
    }

    Optional<Operation> runningUpdate() {
        return running.values().stream()
                .filter(session -> session.moves(session.model()))
                .map(session -> operations.get(session.id()))
                .filter(operation -> operation != null)
                .findFirst();
    }
}
