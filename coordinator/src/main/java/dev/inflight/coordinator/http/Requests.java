package dev.inflight.coordinator.http;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.exc.MismatchedInputException;
import com.fasterxml.jackson.databind.exc.UnrecognizedPropertyException;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.protocol.cluster.EngineSelection;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.Origin;
import dev.inflight.protocol.cluster.VerifyPoint;
import java.io.IOException;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Bodies of requests, and how they are read from JSON. */
final class Requests {
    private Requests() {}

    record Publish(
            @Nullable String model,
            @Nullable String version,
            @Nullable String source,
            @Nullable String requester,
            @Nullable String idempotencyKey) {}

    record Update(
            @Nullable String model,
            @Nullable String version,
            @Nullable String mode,
            @Nullable String strategy,
            @Nullable String group,
            @Nullable String select,
            @Nullable String canary,
            @Nullable Double holdSeconds,
            @Nullable String check,
            @Nullable String verify,
            @JsonProperty("wait") @Nullable Boolean mayWait,
            @Nullable Long waitTimeoutMs,
            @Nullable String requester,
            @Nullable String idempotencyKey) {}

    record Cancel(@Nullable String requester) {}

    record Rollback(
            @Nullable String model,
            @Nullable String to,
            @Nullable String mode,
            @Nullable String group,
            @Nullable String select,
            @Nullable String requester,
            @Nullable String idempotencyKey) {}

    record Decide(
            @Nullable String operation,
            @Nullable String model,
            @Nullable String detectedBy,
            @Nullable String reason,
            @Nullable String requester) {}

    record Verify(
            @Nullable String model,
            @Nullable String group,
            @Nullable String select,
            @Nullable String requester,
            @Nullable String idempotencyKey) {}

    /** The body is not what it must be; the message names the field or the position. */
    static final class BadRequest extends RuntimeException {
        private static final long serialVersionUID = 1;

        BadRequest(String message) {
            super(message);
        }
    }

    static <T> T read(byte[] body, Class<T> type) {
        try {
            T value = Json.MAPPER.readValue(body, type);
            if (value == null) {
                throw new BadRequest("the body must be a JSON object");
            }
            return value;
        } catch (UnrecognizedPropertyException e) {
            throw new BadRequest("unknown field \"" + e.getPropertyName() + "\"; known are " + e.getKnownPropertyIds());
        } catch (MismatchedInputException e) {
            String field = e.getPath().stream()
                    .map(JsonMappingException.Reference::getFieldName)
                    .collect(Collectors.joining("."));
            throw new BadRequest(
                    field.isEmpty()
                            ? "the body must be one JSON object" + position(e)
                            : field + ": has the wrong type" + position(e));
        } catch (JsonProcessingException e) {
            throw new BadRequest("malformed JSON" + position(e) + ": " + e.getOriginalMessage());
        } catch (IOException e) {
            throw new BadRequest("unreadable body: " + e.getMessage());
        }
    }

    static String required(String field, @Nullable String value) {
        if (value == null) {
            throw new BadRequest(field + ": is missing");
        }
        return value;
    }

    /**
     * Which engines are meant.
     *
     * @param group their ids; null for all
     * @param select labels that they must have beside; null for none
     */
    static @Nullable String selection(@Nullable String group, @Nullable String select) {
        String problem = select == null ? null : EngineSelection.labelProblem(select);
        if (problem != null) {
            throw new BadRequest("select: " + problem);
        }
        return EngineSelection.both(group, select);
    }

    /**
     * Who asks, with the key from the body or from the header {@code Idempotency-Key}.
     *
     * @param header null if it is not there
     */
    static Origin origin(@Nullable String requester, @Nullable String idempotencyKey, @Nullable String header) {
        if (header != null && idempotencyKey != null && !header.equals(idempotencyKey)) {
            throw new BadRequest("idempotencyKey: \"" + idempotencyKey
                    + "\" differs from the header Idempotency-Key, \"" + header + "\"");
        }
        return new Origin(requester, header == null ? idempotencyKey : header);
    }

    /** Null for {@code auto}. */
    static @Nullable LoadMode mode(@Nullable String label) {
        if (label == null || label.equals("auto")) {
            return null;
        }
        for (LoadMode mode : LoadMode.values()) {
            if (mode.label().equals(label)) {
                return mode;
            }
        }
        throw new BadRequest("mode: must be in-place, shadow or auto but is \"" + label + "\"");
    }

    /** Null for the coordinator's setting. */
    static @Nullable VerifyPoint verify(@Nullable String label) {
        if (label == null) {
            return null;
        }
        for (VerifyPoint point : VerifyPoint.values()) {
            if (point.label().equals(label)) {
                return point;
            }
        }
        throw new BadRequest("verify: must be arrival or engine but is \"" + label + "\"");
    }

    private static String position(JsonProcessingException e) {
        JsonLocation at = e.getLocation();
        return at == null ? "" : " at line " + at.getLineNr() + ", column " + at.getColumnNr();
    }
}
