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
 * @param group ids of engines to update; all of the model if null
 * @param select labels that they must have, as in {@code tenant=a,domain=chat}
 * @param canary how many get it first, as a number or a percentage; null for all at once
 * @param holdSeconds how long these are watched; null until somebody decides
 * @param check what is asked meanwhile
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
        @Nullable String select,
        @Nullable String canary,
        @Nullable Double holdSeconds,
        @Nullable String check,
        @Nullable String verify,
        @JsonProperty("wait") @Nullable Boolean mayWait,
        @Nullable Long waitTimeoutMs) {
    /** Of all engines, or those of a group, at once, without waiting. */
    public UpdateRequest(
            String model, String version, @Nullable String mode, @Nullable String strategy, @Nullable String group) {
        this(model, version, mode, strategy, group, null, null, null, null, null, null, null);
    }

    /** The same for engines that also have these labels. */
    public UpdateRequest selecting(@Nullable String labels) {
        return new UpdateRequest(
                model,
                version,
                mode,
                strategy,
                group,
                labels,
                canary,
                holdSeconds,
                check,
                verify,
                mayWait,
                waitTimeoutMs);
    }

    /** The same, but some engines get it first; at once for all if {@code share} is null. */
    public UpdateRequest tried(@Nullable String share, @Nullable Double seconds, @Nullable String by) {
        return new UpdateRequest(
                model, version, mode, strategy, group, select, share, seconds, by, verify, mayWait, waitTimeoutMs);
    }

    /** The same, verified there; where the coordinator's setting says if null. */
    public UpdateRequest verified(@Nullable String where) {
        return new UpdateRequest(
                model,
                version,
                mode,
                strategy,
                group,
                select,
                canary,
                holdSeconds,
                check,
                where,
                mayWait,
                waitTimeoutMs);
    }

    /**
     * The same, but it waits for its turn.
     *
     * @param longest null for as long as the coordinator lets updates wait
     */
    public UpdateRequest waiting(@Nullable Duration longest) {
        Long millis = longest == null ? null : longest.toMillis();
        return new UpdateRequest(
                model, version, mode, strategy, group, select, canary, holdSeconds, check, verify, true, millis);
    }
}
