package dev.inflight.cli.client;

import com.fasterxml.jackson.annotation.JsonInclude;
import org.jspecify.annotations.Nullable;

/**
 * Body of {@code POST /v1/updates}; null fields are left to the coordinator.
 *
 * @param mode {@code in-place}, {@code shadow} or {@code auto}
 * @param strategy {@code broadcast} or {@code auto}
 * @param group the engines to update; all of the model if null
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record UpdateRequest(
        String model,
        String version,
        @Nullable String mode,
        @Nullable String strategy,
        @Nullable String group) {}
