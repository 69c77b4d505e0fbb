package dev.inflight.coordinator;

import dev.inflight.coordinator.ledger.LedgerEntry.CanaryMoved;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A canary that runs, as the HTTP API shows it.
 *
 * @param group of which engines some try the version; null for all of the model
 * @param workers whose engines try it
 * @param holdSince when all of them had it, in ISO 8601; null before
 * @param holdMs how long they are watched; null until somebody decides
 * @param detectedBy what decided; null while nothing has
 * @param reason why it is reverted; null unless it is
 */
record CanaryView(
        String operation,
        String model,
        String from,
        @Nullable String to,
        @Nullable String group,
        String share,
        String phase,
        List<String> workers,
        @Nullable String holdSince,
        @Nullable Long holdMs,
        @Nullable String check,
        @Nullable String detectedBy,
        @Nullable String reason) {
    static CanaryView of(OperationStarted start, CanaryMoved state) {
        return new CanaryView(
                start.id(),
                start.model(),
                state.from(),
                start.to(),
                start.group(),
                state.canary().share(),
                state.phase().label(),
                List.copyOf(state.workers()),
                state.holdSince() == null ? null : state.holdSince().toString(),
                state.canary().holdMs(),
                state.canary().check(),
                state.detectedBy(),
                state.reason());
    }
}
