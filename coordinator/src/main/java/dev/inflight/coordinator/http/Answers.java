package dev.inflight.coordinator.http;

import akka.http.javadsl.model.ContentTypes;
import akka.http.javadsl.model.HttpEntities;
import akka.http.javadsl.model.HttpResponse;
import akka.http.javadsl.model.StatusCode;
import akka.util.ByteString;
import dev.inflight.coordinator.operation.Json;
import java.util.Map;

/** Responses in JSON. */
final class Answers {
    private Answers() {}

    static HttpResponse json(StatusCode code, Object value) {
        return HttpResponse.create()
                .withStatus(code)
                .withEntity(
                        HttpEntities.create(ContentTypes.APPLICATION_JSON, ByteString.fromString(Json.write(value))));
    }

    /** What every refusal looks like. */
    static HttpResponse error(StatusCode code, String message) {
        return json(code, Map.of("error", message));
    }
}
