package dev.inflight.coordinator.http;

import akka.http.javadsl.model.ContentType;
import akka.http.javadsl.model.ContentTypes;
import akka.http.javadsl.model.HttpCharsets;
import akka.http.javadsl.model.HttpEntities;
import akka.http.javadsl.model.HttpResponse;
import akka.http.javadsl.model.MediaTypes;
import akka.http.javadsl.model.StatusCode;
import akka.http.javadsl.model.headers.RawHeader;
import akka.util.ByteString;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;

/** Responses in JSON, and metrics. */
final class Answers {
    private static final ContentType PROMETHEUS_TEXT = MediaTypes.customWithOpenCharset(
                    "text", "plain", Map.of("version", "0.0.4"), false)
            .toContentType(HttpCharsets.UTF_8);

    private Answers() {}

    static HttpResponse json(StatusCode code, Object value) {
        return HttpResponse.create()
                .withStatus(code)
                .withEntity(
                        HttpEntities.create(ContentTypes.APPLICATION_JSON, ByteString.fromString(Json.write(value))));
    }

    /** @param text in Prometheus' text format */
    static HttpResponse metrics(byte[] text) {
        return HttpResponse.create().withEntity(HttpEntities.create(PROMETHEUS_TEXT, text));
    }

    /** A refusal by the coordinator, with the time to try again at if there is one. */
    static HttpResponse refusal(StatusCode code, Refused refused, Instant now) {
        ObjectNode body = Json.MAPPER.createObjectNode().put("error", refused.message());
        if (refused.limit() != null) {
            body.put("limit", refused.limit());
        }
        Instant at = refused.retryAt();
        if (at == null) {
            return json(code, body);
        }
        long seconds = Math.max(1, Math.ceilDiv(Duration.between(now, at).toMillis(), 1000));
        return json(code, body.put("retryAt", at.toString()))
                .addHeader(RawHeader.create("Retry-After", String.valueOf(seconds)));
    }

    /** What every refusal looks like. */
    static HttpResponse error(StatusCode code, String message) {
        return json(code, Map.of("error", message));
    }
}
