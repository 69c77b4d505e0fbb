package dev.inflight.coordinator.ledger;

import dev.inflight.protocol.cluster.Wire;
import java.util.List;

/** What a replica of the ledger answers. Each names the replica by its id. */
public sealed interface ReplicaEvent extends Wire {
    String replica();

    /** @param last the replica's last record */
    record Promised(String replica, long term, Position last) implements ReplicaEvent {}

    /** It has promised a higher term, or this one to another. */
    record Deposed(String replica, long promised) implements ReplicaEvent {}

    /**
     * @param lines records in order, as lines of the file
     * @param more whether there are further ones
     */
    record Page(String replica, List<String> lines, boolean more) implements ReplicaEvent {
        public Page {
            lines = List.copyOf(lines);
        }
    }

    /** All up to {@code last} is on its disk. */
    record Appended(String replica, Position last) implements ReplicaEvent {}

    /** Its last record is another than the one before those that were sent. */
    record Behind(String replica, Position last) implements ReplicaEvent {}

    record AppendFailed(String replica, String message) implements ReplicaEvent {}
}
