package dev.inflight.coordinator.http;

import akka.http.javadsl.model.HttpEntities;
import akka.http.javadsl.model.HttpResponse;
import akka.http.javadsl.model.MediaTypes;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;

/** The API's own description, docs/openapi.yaml. */
final class OpenApi {
    private OpenApi() {}

    static HttpResponse response() {
        try (InputStream file = OpenApi.class.getResourceAsStream("openapi.yaml")) {
            if (file == null) {
                throw new IllegalStateException("openapi.yaml is not among the resources: build with Maven");
            }
            return HttpResponse.create()
                    .withEntity(HttpEntities.create(
                            MediaTypes.applicationWithOpenCharset("yaml", "yaml")
                                    .toContentTypeWithMissingCharset(),
                            file.readAllBytes()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
