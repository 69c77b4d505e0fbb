package dev.inflight.coordinator.operation;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Turn;
import java.time.Instant;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** An operation as the HTTP API shows it. */
public record OperationView(
        String id,
        String kind,
        String state,
        String phase,
        long doneBytes,
        long totalBytes,
        @Nullable String error,
        @Nullable JsonNode result,
        @Nullable TurnView turn) {
    /** The place of an update that waits; null where nobody can tell. */
    public record TurnView(
            int position, String reason, @Nullable String expectedAt, String until) {
        public static TurnView of(Turn turn) {
            Instant expected = turn.expectedAt();
            return new TurnView(
                    turn.position(),
                    turn.reason(),
                    expected == null ? null : expected.toString(),
                    turn.until().toString());
        }
    }

    public static OperationView of(Operation operation) {
        return new OperationView(
                operation.id(),
                operation.kind(),
                operation.state().name().toLowerCase(Locale.ROOT),
                operation.phase(),
                operation.doneBytes(),
                operation.totalBytes(),
                operation.error(),
                operation.resultJson() == null ? null : Json.tree(operation.resultJson()),
                operation.turn() == null ? null : TurnView.of(operation.turn()));
    }
}
