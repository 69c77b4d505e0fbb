package dev.inflight.coordinator.canary;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * How a canary ended, as the HTTP API shows it.
 *
 * @param outcome what became of it
 * @param from version that all had before
 * @param share as it was asked for
 * @param detectedBy what decided: "hold", "operator", "command", "http", "metric", "engine", "update" or "max-hold"
 * @param reason why it was reverted; null if it was promoted
 * @param seconds from acceptance to the end
 * @param holdSeconds how long engines served the version before it was decided; null if they never did
 * @param rollbackSeconds how long it took to bring the engines back; null if they were not, or had not changed
 * @param stallMs the longest time an engine could not serve when it was brought back; null if unknown
 * @param updateOperation the update of the chosen engines; null if it was not taken
 * @param finalOperation the update of the others, or the rollback; null if there was none
 * @param engines the chosen ones
 */
record CanaryResult(
        String kind,
        String model,
        String from,
        String to,
        @Nullable String group,
        String share,
        Outcome outcome,
        @Nullable String detectedBy,
        @Nullable String reason,
        double seconds,
        @Nullable Double holdSeconds,
        @Nullable Double rollbackSeconds,
        @Nullable Double stallMs,
        @Nullable String updateOperation,
        @Nullable String finalOperation,
        List<Engine> engines) {
    /** What became of a canary. */
    enum Outcome {
        /** All engines have the version. */
        PROMOTED,
        /** The chosen engines are to have what they had, and had it at the end as far as they were there. */
        REVERTED,
        /** The chosen engines are to have what they had, but could not be brought back; they will join. */
        FAILED;

        @com.fasterxml.jackson.annotation.JsonValue
        String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * @param outcome in the update, or in the rollback if there was one
     * @param stallMs in the same; null if unknown
     */
    record Engine(
            @Nullable String engine,
            String worker,
            String outcome,
            @Nullable Double stallMs) {
        /** Those in an update's result. */
        static List<Engine> of(JsonNode result) {
            List<Engine> engines = new ArrayList<>();
            for (JsonNode engine : result.path("engines")) {
                engines.add(new Engine(
                        engine.path("engine").asText(null),
                        engine.path("worker").asText(),
                        engine.path("outcome").asText(),
                        engine.path("stallMs").isNumber()
                                ? engine.path("stallMs").asDouble()
                                : null));
            }
            return engines;
        }
    }
}
