package dev.inflight.coordinator.operation;

import akka.actor.typed.ActorRef;
import dev.inflight.protocol.cluster.Wire;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What the HTTP API, on whichever node it runs, asks of the coordinator besides a trainer's commands. */
public sealed interface CoordinatorQuery extends Wire {
    /** Asks for what the coordinator knows. */
    record GetStatus(ActorRef<Status> replyTo) implements CoordinatorQuery {}

    /** @param json models, hosts, workers, operation and lastUpdate as a JSON object */
    record Status(String json) implements Wire {}

    /**
     * Asks for past operations, newest first.
     *
     * @param model only of this model
     * @param sinceMillis only those that began at or after this time, in milliseconds since 1970
     * @param before only those before this place in the ledger
     * @param limit at most so many
     */
    record GetHistory(
            @Nullable String model,
            @Nullable Long sinceMillis,
            @Nullable Long before,
            int limit,
            ActorRef<HistoryPage> replyTo)
            implements CoordinatorQuery {}

    /**
     * @param rows operations, each as a JSON object
     * @param next where the following page begins; null after the last
     */
    record HistoryPage(List<String> rows, @Nullable Long next) implements Wire {
        public HistoryPage {
            rows = List.copyOf(rows);
        }
    }
}
