package dev.inflight.tests.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.inflight.tests.Eventually;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Torch engines that serve a real model, all-MiniLM-L6-v2, in a fleet of nodes. */
class MiniLmIT {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    @TempDir
    private Path directory;

    private final List<Process> engines = new ArrayList<>();

    @AfterEach
    void stopEngines() {
        engines.forEach(Process::destroyForcibly);
        engines.forEach(engine -> engine.onExit().join());
    }

    @Test
    void anUpdatedEngineEmbedsLikeAFreshModelBitByBit() throws Exception {
        Path python = Python.require();
        JsonNode expected = makeVersions(python);
        try (Nodes nodes = Nodes.start(directory, 2)) {
            List<URI> http = List.of(engine(python, nodes, 0), engine(python, nodes, 1));
            Eventually.until("both engines are attached", PATIENCE, () -> attached(nodes) == 2);
            String texts = JSON.writeValueAsString(Map.of("texts", expected.path("texts")));

            succeed(nodes, "publish", "--version", "v1", directory.resolve("v1").toString());
            succeed(nodes, "update", "--version", "v1", "--mode", "in-place");
            for (URI engine : http) {
                requireEmbeddings(engine, texts, "v1", expected);
            }
            succeed(nodes, "publish", "--version", "v2", directory.resolve("v2").toString());
            succeed(nodes, "update", "--version", "v2", "--mode", "shadow");
            for (URI engine : http) {
                requireEmbeddings(engine, texts, "v2", expected);
            }
            succeed(nodes, "verify");
        }
    }

    private JsonNode makeVersions(Path python) throws Exception {
        Path script = Path.of("src/test/python/minilm_versions.py");
        int exitCode = new ProcessBuilder(python.toString(), script.toString(), directory.toString())
                .inheritIO()
                .start()
                .waitFor();
        assertThat(exitCode).as("%s", script).isZero();
        JsonNode expected = JSON.readTree(directory.resolve("expected.json").toFile());
        assertThat(expected.path("v1")).isNotEqualTo(expected.path("v2"));
        return expected;
    }

    private URI engine(Path python, Nodes nodes, int index) throws Exception {
        Path announcement = directory.resolve("engine-" + index + ".json");
        ProcessBuilder builder = new ProcessBuilder(
                        python.toString(),
                        "-m",
                        "inflight.engine",
                        "--link",
                        nodes.link(index),
                        "--id",
                        "engine-" + index,
                        "--model",
                        "minilm",
                        "--modes",
                        "in-place,shadow",
                        "--architecture",
                        "bert:" + directory.resolve("v1"),
                        "--http-port",
                        "0",
                        "--announce",
                        announcement.toString(),
                        "--exit-with-parent",
                        String.valueOf(ProcessHandle.current().pid()))
                .inheritIO();
        // As many threads as the fresh model had: sums in another order have other bits.
        builder.environment().put("OMP_NUM_THREADS", "1");
        engines.add(builder.start());
        Eventually.until("engine " + index + " announces itself", PATIENCE, () -> Files.exists(announcement));
        return URI.create(JSON.readTree(announcement.toFile()).path("http").asText());
    }

    private static long attached(Nodes nodes) throws Exception {
        try (Launched status = nodes.command("status", "--json")) {
            long attached = 0;
            for (JsonNode worker : status.json().path("workers")) {
                attached += worker.path("engine").isObject() ? 1 : 0;
            }
            return attached;
        }
    }

    private static void succeed(Nodes nodes, String command, String... arguments) throws Exception {
        List<String> all = new ArrayList<>(List.of(command, "--model", "minilm", "--json"));
        all.addAll(List.of(arguments));
        try (Launched launched = nodes.command(all.toArray(String[]::new))) {
            assertThat(launched.exitCode())
                    .as("%s: %s %s", all, launched.out(), launched.err())
                    .isZero();
        }
    }

    private static void requireEmbeddings(URI engine, String texts, String version, JsonNode expected)
            throws Exception {
        HttpRequest request = HttpRequest.newBuilder(engine.resolve("/embed"))
                .timeout(PATIENCE)
                .POST(HttpRequest.BodyPublishers.ofString(texts))
                .build();
        try (HttpClient client =
                HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()) {
            HttpResponse<byte[]> response = client.send(request, HttpResponse.BodyHandlers.ofByteArray());
            assertThat(response.statusCode()).isEqualTo(200);
            JsonNode answer = JSON.readTree(response.body());
            assertThat(answer.path("version").asText()).isEqualTo(version);
            assertThat(answer.path("sha256")).isEqualTo(expected.path(version).path("sha256"));
            assertThat(answer.path("embeddings"))
                    .isEqualTo(expected.path(version).path("embeddings"));
        }
    }
}
