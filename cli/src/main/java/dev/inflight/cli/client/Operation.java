package dev.inflight.cli.client;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What the coordinator says about a publish, an update or a verification.
 *
 * @param kind what it does, as the coordinator names it
 * @param state {@code running}, {@code succeeded} or {@code failed}
 * @param phase the step it is in
 * @param doneBytes bytes handled so far in this phase
 * @param totalBytes bytes of this phase, zero while unknown
 * @param error why it failed
 * @param result its outcome; also of a failed update
 * @param turn of an update that waits for its turn; else null
 */
@JsonIgnoreProperties(ignoreUnknown = true)
public record Operation(
        String id,
        String kind,
        String state,
        @Nullable String phase,
        long doneBytes,
        long totalBytes,
        @Nullable String error,
        @Nullable JsonNode result,
        @Nullable Turn turn) {
    /**
     * The place of an update that waits.
     *
     * @param reason what it waits for
     * @param expectedAt when it will probably begin, ISO 8601; null if nobody can tell
     * @param until when it is given up
     */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public record Turn(
            int position,
            @Nullable String reason,
            @Nullable String expectedAt,
            @Nullable String until) {}

    /** Of one that does not wait. */
    public Operation(
            String id,
            String kind,
            String state,
            @Nullable String phase,
            long doneBytes,
            long totalBytes,
            @Nullable String error,
            @Nullable JsonNode result) {
        this(id, kind, state, phase, doneBytes, totalBytes, error, result, null);
    }

    public boolean running() {
        return "running".equals(state);
    }

    public boolean succeeded() {
        return "succeeded".equals(state);
    }

    /** The phase for people; the kind while no phase is known. */
    public String step() {
        if (turn != null) {
            return kind + ": waiting, place " + turn.position()
                    + (turn.expectedAt() == null ? "" : ", expected at " + turn.expectedAt());
        }
        return kind + (phase == null || phase.isBlank() ? "" : ": " + phase);
    }

    /**
     * The result as a record.
     *
     * @throws IllegalStateException if there is none or it has another shape
     */
    public <T> T as(Class<T> type) {
        if (result == null || !result.isObject()) {
            throw new IllegalStateException(kind + " " + id + " ended without a result");
        }
        return new ObjectMapper()
                .configure(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES, false)
                .convertValue(result, type);
    }

    /** Why it failed, never empty. */
    public String reason() {
        return Objects.requireNonNullElse(
                error, kind + " " + id + " failed without a reason; see the coordinator's log");
    }
}
