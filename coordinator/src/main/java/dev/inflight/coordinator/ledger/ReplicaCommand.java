package dev.inflight.coordinator.ledger;

import akka.actor.typed.ActorRef;
import akka.actor.typed.receptionist.ServiceKey;
import dev.inflight.protocol.cluster.Wire;
import java.util.List;

/** What a coordinator asks of a replica of the ledger. One replica runs on each coordinator node. */
public sealed interface ReplicaCommand extends Wire {
    ServiceKey<ReplicaCommand> KEY = ServiceKey.create(ReplicaCommand.class, "ledger-replica");

    /**
     * Asks for the promise to take nothing of an earlier term any more; answered by {@link ReplicaEvent.Promised} or
     * {@link ReplicaEvent.Deposed}.
     *
     * @param writer the coordinator's own id
     */
    record Promise(long term, String writer, ActorRef<ReplicaEvent> replyTo) implements ReplicaCommand {}

    /** Asks for the records after a sequence number; answered by {@link ReplicaEvent.Page}. */
    record Read(long after, ActorRef<ReplicaEvent> replyTo) implements ReplicaCommand {}

    /**
     * Adds records if the replica's last one is {@code previous}; answered by {@link ReplicaEvent.Appended},
     * {@link ReplicaEvent.Behind}, {@link ReplicaEvent.AppendFailed} or {@link ReplicaEvent.Deposed}.
     *
     * @param previous {@link Position#NONE} replaces whatever the replica has
     * @param lines records, each as a line of the file
     */
    record Append(long term, String writer, Position previous, List<String> lines, ActorRef<ReplicaEvent> replyTo)
            implements ReplicaCommand {
        public Append {
            lines = List.copyOf(lines);
        }
    }
}
