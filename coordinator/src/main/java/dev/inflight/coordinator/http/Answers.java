package dev.inflight.coordinator.http;

import akka.http.javadsl.model.ContentType;
import akka.http.javadsl.model.ContentTypes;
import akka.http.javadsl.model.HttpCharsets;
import akka.http.javadsl.model.HttpEntities;
import akka.http.javadsl.model.HttpResponse;
import akka.http.javadsl.model.MediaTypes;
import akka.http.javadsl.model.StatusCode;
import akka.util.ByteString;
import dev.inflight.coordinator.operation.Json;
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

    /** What every refusal looks like. */
    static HttpResponse error(StatusCode code, String message) {
        return json(code, Map.of("error", message));
    }
}
