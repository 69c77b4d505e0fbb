package dev.inflight.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** What docs/openapi.yaml promises, to hold answers of a server against. */
final class OpenApiFile {
    static final Path PATH = Path.of("..", "docs", "openapi.yaml");

    private static final JsonNode FILE = read();
    private static final JsonSchemaFactory SCHEMAS = JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012);

    private OpenApiFile() {}

    /** Method and path of every route. */
    static Set<String> routes() {
        Set<String> routes = new TreeSet<>();
        outcomes().forEach(outcome -> routes.add(outcome.substring(0, outcome.lastIndexOf(' '))));
        return routes;
    }

    /** Method, path and status of every answer, e.g. {@code GET /v1/status 200}. */
    static Set<String> outcomes() {
        Set<String> outcomes = new TreeSet<>();
        FILE.get("paths")
                .properties()
                .forEach(path -> path.getValue()
                        .properties()
                        .forEach(method -> method.getValue()
                                .get("responses")
                                .fieldNames()
                                .forEachRemaining(
                                        status -> outcomes.add(outcome(method.getKey(), path.getKey(), status)))));
        return outcomes;
    }

    static String outcome(String method, String template, String status) {
        return method.toUpperCase(Locale.ROOT) + " " + template + " " + status;
    }

    /** The template that a path is one of; null if there is none. */
    static @Nullable String template(String path) {
        List<String> fitting = new ArrayList<>();
        FILE.get("paths").fieldNames().forEachRemaining(template -> {
            if (path.matches(template.replaceAll("\\{[^}]+}", "[^/]+"))) {
                fitting.add(template);
            }
        });
        return fitting.isEmpty() ? null : fitting.getFirst();
    }

    /**
     * Asserts that an answer has a status, a content type, headers and a body as described; of routes that are not in
     * the file, that it is an error as all are.
     */
    static void check(String method, String path, HttpResponse<String> response) {
        String template = template(path);
        String lower = method.toLowerCase(Locale.ROOT);
        if (template == null || !FILE.get("paths").get(template).has(lower)) {
            assertThat(response.statusCode()).isIn(404, 405);
            conforms(FILE.at("/components/schemas/Error"), json(response.body()));
            return;
        }
        JsonNode described = resolve(
                FILE.get("paths").get(template).get(lower).get("responses").path("" + response.statusCode()));
        assertThat(described.isMissingNode())
                .as("%s %s answers %s, which is not in openapi.yaml", method, template, response.statusCode())
                .isFalse();
        described
                .path("headers")
                .properties()
                .forEach(header -> assertThat(
                                response.headers().firstValue(header.getKey()).orElse(""))
                        .as(header.getKey())
                        .containsPattern(header.getValue().at("/schema/pattern").asText()));
        String type = response.headers().firstValue("Content-Type").orElse("");
        assertThat(described.get("content").has(type))
                .as("%s %s answers in %s", method, template, type)
                .isTrue();
        conforms(
                described.get("content").get(type).get("schema"),
                type.equals("application/json") ? json(response.body()) : yaml(response.body()));
    }

    /** Asserts that a body is what a POST takes. */
    static void checkRequest(String path, String body) {
        conforms(
                FILE.get("paths")
                        .get(path)
                        .at("/post/requestBody/content")
                        .get("application/json")
                        .get("schema"),
                json(body));
    }

    private static void conforms(JsonNode schema, JsonNode value) {
        ObjectNode whole = schema.deepCopy();
        // What its references point into.
        whole.set("components", FILE.get("components"));
        assertThat(SCHEMAS.getSchema(whole).validate(value))
                .as(value.toString())
                .isEmpty();
    }

    private static JsonNode resolve(JsonNode node) {
        return node.has("$ref") ? FILE.at(node.get("$ref").asText().substring(1)) : node;
    }

    private static JsonNode json(String text) {
        try {
            return new ObjectMapper().readTree(text);
        } catch (IOException e) {
            throw new AssertionError("no JSON: " + text, e);
        }
    }

    private static JsonNode yaml(String text) {
        try {
            return new ObjectMapper(new YAMLFactory()).readTree(text);
        } catch (IOException e) {
            throw new AssertionError("no YAML: " + text, e);
        }
    }

    private static JsonNode read() {
        try {
            return new ObjectMapper(new YAMLFactory()).readTree(PATH.toFile());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
