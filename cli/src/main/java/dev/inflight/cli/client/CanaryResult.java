package dev.inflight.cli.client;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How a canary ended.
 *
 * @param outcome {@code promoted}, {@code reverted} or {@code failed}
 * @param detectedBy what decided
 * @param reason why it was reverted
 * @param rollbackSeconds how long bringing the engines back took; null if they were not
 * @param stallMs longest time that an engine could not serve when it was brought back
 */
@JsonIgnoreProperties(ignoreUnknown = true)
public record CanaryResult(
        String model,
        String from,
        String to,
        @Nullable String group,
        String share,
        String outcome,
        @Nullable String detectedBy,
        @Nullable String reason,
        double seconds,
        @Nullable Double holdSeconds,
        @Nullable Double rollbackSeconds,
        @Nullable Double stallMs,
        List<Engine> engines) {
    /** @param outcome of its update, or of its way back */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public record Engine(
            @Nullable String engine,
            String worker,
            String outcome,
            @Nullable Double stallMs) {}
}
