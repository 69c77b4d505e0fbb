package dev.inflight.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.LongNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
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
        JsonNode schema = described.get("content").get(type).get("schema");
        switch (type) {
            case "application/json" -> conforms(schema, json(response.body()));
            case "application/x-ndjson" -> response.body().lines().forEach(line -> conforms(schema, json(line)));
            case "application/yaml" -> conforms(schema, yaml(response.body()));
            default -> conforms(schema, TextNode.valueOf(response.body()));
        }
    }

    /** Asserts that a request has the body and no other query than is described. */
    static void checkRequest(String method, URI uri, @Nullable String body) {
        String template = String.valueOf(template(uri.getPath()));
        JsonNode described = FILE.get("paths").get(template).get(method.toLowerCase(Locale.ROOT));
        if (body != null) {
            conforms(content(described).get("schema"), json(body));
        }
        if (uri.getQuery() == null) {
            return;
        }
        for (String pair : uri.getQuery().split("&")) {
            String name = pair.substring(0, pair.indexOf('='));
            JsonNode parameter = queryParameter(described, name);
            assertThat(parameter)
                    .as("%s %s has parameter %s", method, template, name)
                    .isNotNull();
            String value = pair.substring(name.length() + 1);
            conforms(
                    parameter.get("schema"),
                    value.matches("\\d+") ? LongNode.valueOf(Long.parseLong(value)) : TextNode.valueOf(value));
        }
    }

    private static @Nullable JsonNode queryParameter(JsonNode described, String name) {
        for (JsonNode each : described.path("parameters")) {
            JsonNode parameter = resolve(each);
            if (parameter.get("in").asText().equals("query")
                    && parameter.get("name").asText().equals(name)) {
                return parameter;
            }
        }
        return null;
    }

    /** Names of the fields that a POST takes. */
    static Set<String> fields(String template) {
        JsonNode content = content(FILE.get("paths").get(template).get("post"));
        return names(resolve(content.get("schema")).path("properties"));
    }

    /** A body that a POST takes, with all of these. */
    static String example(String template) {
        JsonNode content = content(FILE.get("paths").get(template).get("post"));
        conforms(content.get("schema"), content.get("example"));
        assertThat(names(content.get("example")))
                .as("fields of the example of POST %s", template)
                .isEqualTo(fields(template));
        return content.get("example").toString();
    }

    private static JsonNode content(JsonNode described) {
        return described.at("/requestBody/content").get("application/json");
    }

    private static Set<String> names(JsonNode object) {
        Set<String> names = new TreeSet<>();
        object.fieldNames().forEachRemaining(names::add);
        return names;
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
