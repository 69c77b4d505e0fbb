package dev.inflight.cli.client;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Body of {@code POST /v1/updates}; null fields are left to the coordinator.
 *
 * @param mode {@code in-place}, {@code shadow} or {@code auto}
 * @param strategy {@code broadcast} or {@code auto}
 * @param group the engines to update; all of the model if null
 * @param verify {@code arrival} or {@code engine}
 * @param mayWait whether it waits for its turn rather than being refused
 * @param waitTimeoutMs how long; null for as long as the coordinator lets updates wait
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record UpdateRequest(
        String model,
        String version,
        @Nullable String mode,
        @Nullable String strategy,
        @Nullable String group,
        @Nullable String verify,
        @JsonProperty("wait") @Nullable Boolean mayWait,
        @Nullable Long waitTimeoutMs) {
    /** One that does not wait, and is verified where the coordinator's setting says. */
    public UpdateRequest(
            String model, String version, @Nullable String mode, @Nullable String strategy, @Nullable String group) {
        this(model, version, mode, strategy, group, null);
    }

    /** One that does not wait. */
    public UpdateRequest(
            String model,
            String version,
            @Nullable String mode,
            @Nullable String strategy,
            @Nullable String group,
            @Nullable String verify) {
        this(model, version, mode, strategy, group, verify, null, null);
    }

    /**
     * The same, but it waits for its turn.
     *
     * @param longest null for as long as the coordinator lets updates wait
     */
    public UpdateRequest waiting(@Nullable Duration longest) {
        return new UpdateRequest(
                model, version, mode, strategy, group, verify, true, longest == null ? null : longest.toMillis());
    }
}
