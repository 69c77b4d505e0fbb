package dev.inflight.cli.client;

import com.fasterxml.jackson.annotation.JsonInclude;
import org.jspecify.annotations.Nullable;

/**
 * Body of {@code POST /v1/promotions} and {@code POST /v1/reverts}.
 *
 * @param operation the canary; null for the one that runs of {@code model}
 * @param detectedBy "operator" or "command"
 * @param reason for the history
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record CanaryDecision(
        @Nullable String operation,
        @Nullable String model,
        @Nullable String detectedBy,
        @Nullable String reason) {
    /** What a command that watches a canary decides. */
    public static CanaryDecision ofCommand(String operation, @Nullable String reason) {
        return new CanaryDecision(operation, null, "command", reason);
    }
}
