package dev.inflight.coordinator;

import dev.inflight.coordinator.ledger.LedgerEntry.UpdateQueued;
import dev.inflight.coordinator.limits.UpdateLimits;
import dev.inflight.coordinator.limits.UpdateQueue;
import dev.inflight.coordinator.limits.Usage;
import dev.inflight.coordinator.operation.OperationView;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Turn;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Limits, their use and who waits, as the HTTP API shows them.
 *
 * @param queue in the order in which they came
 */
record TurnStatus(List<Usage> limits, List<Waiting> queue) {
    record Waiting(
            String operation,
            String model,
            @Nullable String version,
            @Nullable String group,
            @Nullable String requester,
            OperationView.TurnView turn) {}

    static TurnStatus of(UpdateLimits limits, UpdateQueue queue, Set<String> models, Instant now) {
        Map<String, Turn> turns = queue.turns(now);
        return new TurnStatus(
                limits.usages(models, now),
                queue.waiting().stream()
                        .map(queued -> waiting(queued, Objects.requireNonNull(turns.get(queued.id()))))
                        .toList());
    }

    private static Waiting waiting(UpdateQueued queued, Turn turn) {
        return new Waiting(
                queued.id(),
                queued.operation().model(),
                queued.operation().to(),
                queued.operation().group(),
                queued.operation().requester(),
                OperationView.TurnView.of(turn));
    }

    /** Those that wait, by their ids. */
    static Map<String, Operation> operations(UpdateQueue queue, Instant now) {
        Map<String, Turn> turns = queue.turns(now);
        Map<String, Operation> operations = new LinkedHashMap<>();
        for (UpdateQueued queued : queue.waiting()) {
            Operation plain = queued.operation().asOperation("queued");
            operations.put(
                    queued.id(),
                    new Operation(
                            plain.id(),
                            plain.kind(),
                            plain.state(),
                            plain.phase(),
                            0,
                            0,
                            null,
                            null,
                            turns.get(queued.id())));
        }
        return operations;
    }
}
