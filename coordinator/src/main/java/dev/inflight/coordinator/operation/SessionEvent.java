package dev.inflight.coordinator.operation;

import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What an operation's session tells the coordinator. The last event of a session is one that {@link #ended()}. */
public sealed interface SessionEvent {
    /** The operation's id. */
    String id();

    /** Whether the session is over. */
    default boolean ended() {
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

    /** @param checkpoint what is now published; null if it failed */
    record PublishEnded(Operation operation, @Nullable CheckpointRef checkpoint) implements SessionEvent {
        @Override
        public String id() {
            return operation.id();
        }
    }

    /**
     * @param committed the version the engines took; null if the update was aborted
     * @param from versions the engines had before
     * @param epochs every epoch the session used, and whether it was committed
     */
    record UpdateEnded(
            Operation operation, String model, @Nullable String committed, Set<String> from, Map<Long, Boolean> epochs)
            implements SessionEvent {
        public UpdateEnded {
            from = Set.copyOf(from);
            epochs = Map.copyOf(epochs);
        }

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
