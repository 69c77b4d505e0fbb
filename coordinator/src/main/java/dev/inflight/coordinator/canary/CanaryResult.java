package dev.inflight.coordinator.canary;

import com.fasterxml.jackson.annotation.JsonValue;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.inflight.coordinator.ledger.LedgerEntry.CanaryMoved;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
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

        @JsonValue
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
        /** Those of an update; none if its result is not known. */
        static List<Engine> of(@Nullable Operation update) {
            List<Engine> engines = new ArrayList<>();
            for (JsonNode engine : result(update).path("engines")) {
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

    /**
     * @param state the last one
     * @param update of the chosen engines, as it ended; null if it did not
     * @param last the update of the others, or the rollback, as it ended; null if there was none
     */
    static CanaryResult of(
            CanaryStart start,
            CanaryPlan plan,
            CanaryMoved state,
            Outcome outcome,
            @Nullable Operation update,
            @Nullable Operation last,
            Instant begun,
            Instant now) {
        JsonNode rollback = outcome == Outcome.PROMOTED ? MissingNode.getInstance() : result(last);
        boolean moved = rollback.path("outcome").asText().equals("committed");
        List<Engine> engines = Engine.of(moved ? last : update);
        Instant since = state.holdSince();
        return new CanaryResult(
                "canary",
                start.model(),
                state.from(),
                start.version(),
                start.group(),
                plan.share().toString(),
                outcome,
                state.detectedBy(),
                reason(outcome, state, last),
                seconds(begun, now),
                since == null ? null : seconds(since, state.at()),
                moved ? rollback.path("seconds").asDouble() : null,
                moved ? longestStallMs(engines) : null,
                update == null ? null : update.id(),
                last == null ? null : last.id(),
                engines);
    }

    private static @Nullable String reason(Outcome outcome, CanaryMoved state, @Nullable Operation last) {
        return switch (outcome) {
            case PROMOTED -> null;
            case REVERTED -> state.reason();
            case FAILED ->
                state.reason() + "; engines could not be brought back to version " + state.from() + " and will join it"
                        + (last == null ? "" : ": " + last.error());
        };
    }

    private static @Nullable Double longestStallMs(List<Engine> engines) {
        return engines.stream()
                .map(Engine::stallMs)
                .filter(Objects::nonNull)
                .max(Double::compare)
                .orElse(null);
    }

    private static JsonNode result(@Nullable Operation operation) {
        String json = operation == null ? null : operation.resultJson();
        return json == null ? MissingNode.getInstance() : Json.tree(json);
    }

    private static double seconds(Instant from, Instant to) {
        return Math.max(0, ChronoUnit.MILLIS.between(from, to)) / 1e3;
    }
}
