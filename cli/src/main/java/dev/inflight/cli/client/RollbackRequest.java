package dev.inflight.cli.client;

import com.fasterxml.jackson.annotation.JsonInclude;
import org.jspecify.annotations.Nullable;

/**
 * Body of {@code POST /v1/rollbacks}; null fields are left to the coordinator.
 *
 * @param to the version to go back to; the one before the last update if null
 * @param mode {@code in-place}, {@code shadow} or {@code auto}
 * @param group ids of engines to move; all of the model if null
 * @param select labels that they must have, as in {@code tenant=a,domain=chat}
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record RollbackRequest(
        String model,
        @Nullable String to,
        @Nullable String mode,
        @Nullable String group,
        @Nullable String select) {
    /** Of all engines, or those of a group. */
    public RollbackRequest(String model, @Nullable String to, @Nullable String mode, @Nullable String group) {
        this(model, to, mode, group, null);
    }
}
