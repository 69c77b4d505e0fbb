package dev.inflight.coordinator.session;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.ledger.LedgerEntry.CanaryMoved;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.TrainerCommand;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** What an operation's session tells the coordinator. The last event of a session is one that {@link #ended()}. */
public sealed interface SessionEvent {
    /** The operation's id. */
    String id();

    /** Whether the session is over. */
    default boolean ended() {
        return true;
    }

    /** Whether a fleet's reports show what the session knows, so that the next operation will see it. */
    default boolean visibleIn(Fleet fleet) {
        return true;
    }

    record Running(Operation operation) implements SessionEvent {
        @Override
        public String id() {
            return operation.id();
        }

        @Override
        public boolean ended() {
            return false;
        }
    }

    /** The request was refused before anything changed; there is no operation. */
    record NotTaken(String id, Refused refused) implements SessionEvent {}

    /**
     * @param checkpoint what is now published; null if it failed
     * @param loaded digests that hosts loaded
     * @param visible see {@link #visibleIn}
     */
    record PublishEnded(
            Operation operation, @Nullable CheckpointRef checkpoint, Set<String> loaded, Predicate<Fleet> visible)
            implements SessionEvent {
        public PublishEnded {
            loaded = Set.copyOf(loaded);
        }

        @Override
        public boolean visibleIn(Fleet fleet) {
            return visible.test(fleet);
        }

        @Override
        public String id() {
            return operation.id();
        }
    }

    /**
     * @param committed the version the engines took; null if the update was aborted
     * @param from versions the engines had before
     * @param former which version each worker's engine had before, as far as it is known
     * @param workers those whose engines it was for
     * @param epochs every epoch the session used, and whether it was committed
     * @param visible see {@link #visibleIn}
     */
    record UpdateEnded(
            Operation operation,
            String model,
            @Nullable String committed,
            Set<String> from,
            Map<String, String> former,
            Set<String> workers,
            Map<Long, Boolean> epochs,
            Predicate<Fleet> visible)
            implements SessionEvent {
        @Override
        public boolean visibleIn(Fleet fleet) {
            return visible.test(fleet);
        }

        public UpdateEnded {
            from = Set.copyOf(from);
            former = Map.copyOf(former);
            workers = Set.copyOf(workers);
            epochs = Map.copyOf(epochs);
        }

        @Override
        public String id() {
            return operation.id();
        }
    }

    /** A canary asks for what a trainer could ask for: to move its engines, or how that goes. */
    record CanaryAsks(String id, TrainerCommand command) implements SessionEvent {
        @Override
        public boolean ended() {
            return false;
        }
    }

    /**
     * A canary moves on once the ledger has it.
     *
     * @param number to be told when it has
     */
    record CanaryMoves(CanaryMoved moved, int number) implements SessionEvent {
        @Override
        public String id() {
            return moved.operation();
        }

        @Override
        public boolean ended() {
            return false;
        }
    }

    /**
     * @param brought the version that engines should have from now on
     * @param meant which engines, see {@link dev.inflight.protocol.cluster.EngineSelection}; null for all of the model
     * @param from the version they had before the canary
     */
    record CanaryEnded(
            Operation operation, String brought, @Nullable String meant, String from) implements SessionEvent {
        @Override
        public String id() {
            return operation.id();
        }
    }

    record VerifyEnded(Operation operation) implements SessionEvent {
        @Override
        public String id() {
            return operation.id();
        }
    }
}
