package dev.inflight.cli.client;

import com.fasterxml.jackson.annotation.JsonInclude;
import org.jspecify.annotations.Nullable;

/**
 * Body of {@code POST /v1/rollbacks}; null fields are left to the coordinator.
 *
 * @param to the version to go back to; the one before the last update if null
 * @param mode {@code in-place}, {@code shadow} or {@code auto}
 * @param group the engines to move; all of the model if null
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record RollbackRequest(
        String model,
        @Nullable String to,
        @Nullable String mode,
        @Nullable String group) {}
