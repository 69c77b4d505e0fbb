package dev.inflight.cli.client;

import com.fasterxml.jackson.annotation.JsonInclude;
import org.jspecify.annotations.Nullable;

/**
 * Body of {@code POST /v1/updates}; null fields are left to the coordinator.
 *
 * @param mode {@code in-place}, {@code shadow} or {@code auto}
 * @param strategy {@code broadcast} or {@code auto}
 * @param group the engines to update; all of the model if null
 * @param verify {@code arrival} or {@code engine}
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record UpdateRequest(
        String model,
        String version,
        @Nullable String mode,
        @Nullable String strategy,
        @Nullable String group,
        @Nullable String verify) {
    /** Verified where the coordinator's setting says. */
    public UpdateRequest(
            String model, String version, @Nullable String mode, @Nullable String strategy, @Nullable String group) {
        this(model, version, mode, strategy, group, null);
    }
}
