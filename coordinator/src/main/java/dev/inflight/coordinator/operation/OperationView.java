package dev.inflight.coordinator.operation;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.protocol.cluster.OperationReply.Operation;
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
        @Nullable JsonNode result) {
    public static OperationView of(Operation operation) {
        return new OperationView(
                operation.id(),
                operation.kind(),
                operation.state().name().toLowerCase(Locale.ROOT),
                operation.phase(),
                operation.doneBytes(),
                operation.totalBytes(),
                operation.error(),
                operation.resultJson() == null ? null : Json.tree(operation.resultJson()));
    }
}
