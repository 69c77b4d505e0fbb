package dev.inflight.cli.client;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * How an update ended.
 *
 * @param from version before it, null if the engines had none
 * @param mode {@code in-place} or {@code shadow}; null if it ended before one was chosen
 * @param outcome {@code committed} or {@code aborted}
 * @param reason why it was aborted
 * @param seconds from acceptance to the last engine's commit or abort
 * @param bytes size of the checkpoint
 * @param deliveredBytes bytes that arrived in engines
 * @param receivedBytes of a join, what the engine's host took from other hosts or the original files
 * @param resentBytes of a join, what of it came more than once or was thrown away
 * @param sources of a join, hosts that its bytes came from; null from an older coordinator
 * @param castBytes of a join, what of {@code receivedBytes} sources cast once for all that joined at the same time; the
 *     rest was asked for, or read from the files
 * @param castSources of a join, hosts that cast; null from an older coordinator
 * @param slots buffers that every worker took; null if the update did not get that far
 * @param exchange how buckets came from worker to worker; null if the update did not get that far
 * @param phases how long the coordinator waited in each phase; null if the update did not get that far
 * @param stages busy time of each stage
 * @param damage what was found damaged and mended on the way; null from an older coordinator
 */
@JsonIgnoreProperties(ignoreUnknown = true)
public record UpdateResult(
        String model,
        @Nullable String from,
        String to,
        long epoch,
        @Nullable String mode,
        String strategy,
        String outcome,
        @Nullable String reason,
        double seconds,
        long bytes,
        long deliveredBytes,
        long receivedBytes,
        long resentBytes,
        @Nullable List<String> sources,
        long castBytes,
        @Nullable List<String> castSources,
        @Nullable SlotUse slots,
        @Nullable ExchangeUse exchange,
        @Nullable Phases phases,
        @Nullable Stages stages,
        @Nullable List<EngineOutcome> engines,
        @Nullable List<DamageFound> damage) {

    /**
     * A block that was not what was published.
     *
     * @param place {@code store}, {@code slot} or {@code wire}
     * @param begin its first byte, counted from the tensor's
     * @param mendedFrom what the right bytes came from
     */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public record DamageFound(String place, String host, String file, String tensor, long begin, String mendedFrom) {
        /** For people. */
        public String text() {
            return "%s of %s: %s: tensor \"%s\": block at byte %d, from %s"
                    .formatted(place, host, file, tensor, begin, mendedFrom);
        }
    }

    /** What was mended, empty if nothing was told. */
    public List<DamageFound> damageFound() {
        return Objects.requireNonNullElse(damage, List.of());
    }

    /**
     * @param engine null if the worker lost it before it was known
     * @param state null if the engine is gone
     * @param stallMs time this engine could not serve, in milliseconds; null if it was not told
     */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public record EngineOutcome(
            @Nullable String engine,
            String worker,
            String outcome,
            @Nullable String state,
            @Nullable String version,
            @Nullable Double stallMs) {}

    /**
     * @param count slots of a worker
     * @param bytes size of one
     * @param reason why it is these and not more
     */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public record SlotUse(int count, long bytes, @Nullable String reason) {}

    /** What the coordinator waited for, in seconds. */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public record Phases(
            double prepareSeconds,
            double beginSeconds,
            double streamSeconds,
            double commitSeconds,
            double abortSeconds) {}

    /**
     * @param name {@code transfers} or {@code nccl}
     * @param reason why that one
     */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public record ExchangeUse(String name, @Nullable String reason) {}

    /** Name of the exchange, {@code none} if the update did not get that far. */
    public String exchangeName() {
        return exchange == null ? "none" : exchange.name();
    }

    /** Busy time of each stage, in seconds, on the worker that was busy longest. */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public record Stages(
            double h2dSeconds,
            double verifySeconds,
            double transferSeconds,
            double reloadSeconds,
            double streamSeconds,
            double engineVerifySeconds) {}

    /** The engines' outcomes, empty if none was told. */
    public List<EngineOutcome> engineOutcomes() {
        return Objects.requireNonNullElse(engines, List.of());
    }

    /** The longest stall of any engine in milliseconds. */
    public double longestStallMs() {
        return engineOutcomes().stream()
                .map(EngineOutcome::stallMs)
                .filter(Objects::nonNull)
                .mapToDouble(Double::doubleValue)
                .max()
                .orElse(0);
    }
}
