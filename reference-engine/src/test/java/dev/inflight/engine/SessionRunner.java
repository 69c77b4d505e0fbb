package dev.inflight.engine;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Plays one session: what a worker does to an engine process, step by step. */
final class SessionRunner implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Map<String, String> SHARE_FLAGS =
            Map.of("tpRank", "--tp-rank", "tpSize", "--tp-size", "slices", "--slices", "wants", "--wants");

    private final Path directory;
    private final Path announce;
    private final WorkerStub worker;
    private final EngineProcess engine;
    private final ShmSlots slots = new ShmSlots();
    private final Map<String, CompletableFuture<HttpResponse<String>>> later = new HashMap<>();

    private SessionRunner(JsonNode settings) throws IOException {
        directory = Files.createTempDirectory("inflight");
        announce = directory.resolve("announce.json");
        Path socket = directory.resolve("w.sock");
        worker = new WorkerStub(socket);
        List<String> flags = new ArrayList<>(List.of(
                "--link", socket.toString(),
                "--id", "engine-under-test",
                "--model", "model-under-test",
                "--modes", settings.get("modes").asText(),
                "--pause-timeout-ms", settings.get("pauseTimeoutMs").asText(),
                "--announce", announce.toString()));
        for (Map.Entry<String, String> flag : SHARE_FLAGS.entrySet()) {
            if (settings.has(flag.getKey())) {
                flags.addAll(
                        List.of(flag.getValue(), settings.get(flag.getKey()).asText()));
            }
        }
        engine = EngineProcess.start(directory.resolve("log"), flags);
    }

    static void play(Path file) throws Exception {
        JsonNode session = JSON.readTree(file.toFile());
        int number = 0;
        try (SessionRunner runner = new SessionRunner(session.get("engine"))) {
            runner.worker.accept();
            for (JsonNode step : session.get("steps")) {
                try {
                    runner.step(step);
                } catch (AssertionError e) {
                    throw new AssertionError(
                            "step %d: %s%n%s%n%s"
                                    .formatted(
                                            number,
                                            step,
                                            e.getMessage(),
                                            EngineProcess.read(runner.directory.resolve("log"))),
                            e);
                }
                number++;
            }
        }
    }

    @Override
    public void close() throws IOException {
        engine.close();
        worker.close();
        slots.close();
        try (var files = Files.list(directory)) {
            for (var file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(directory);
    }

    private void step(JsonNode step) throws Exception {
        Map.Entry<String, JsonNode> only = step.properties().iterator().next();
        JsonNode value = only.getValue();
        switch (only.getKey()) {
            case "send" -> worker.send(slots.withPaths(value));
            case "raw" -> worker.raw(ByteBuffer.wrap(HexFormat.of().parseHex(value.asText())));
            case "expect" -> assertMatches(worker.next().orElseThrow(() -> new AssertionError("closed")), value);
            case "slot" -> slots.fill(value);
            case "holds" -> slots.assertHolds(value);
            case "closed" -> assertThat(worker.next()).isEmpty();
            case "close" -> worker.disconnect();
            case "accept" -> worker.accept();
            case "reconnect" -> {
                worker.disconnect();
                worker.accept();
            }
            case "http" -> http((ObjectNode) value);
            case "result" -> assertReply(later.remove(value.get("id").asText()), value);
            case "waiting" -> assertThat(later.get(value.asText()).isDone()).isFalse();
            default -> throw new AssertionError("unknown step");
        }
    }

    private void http(ObjectNode request) throws Exception {
        String base = JSON.readTree(announce.toFile()).get("http").asText();
        CompletableFuture<HttpResponse<String>> reply =
                engine.get(URI.create(base + request.get("path").asText()));
        if (request.has("later")) {
            later.put(request.get("later").asText(), reply);
        } else {
            assertReply(reply, request);
        }
    }

    private static void assertReply(CompletableFuture<HttpResponse<String>> reply, JsonNode expected) throws Exception {
        HttpResponse<String> response = reply.get(WorkerStub.PATIENCE_S, TimeUnit.SECONDS);
        assertThat(response.statusCode()).isEqualTo(expected.get("status").asInt());
        assertMatches(JSON.readTree(response.body()), expected.path("expect"));
    }

    private static void assertMatches(JsonNode actual, JsonNode expected) {
        expected.properties().forEach(field -> {
            JsonNode given = actual.path(field.getKey());
            if (field.getValue().isObject()) {
                assertMatches(given, field.getValue());
            } else if (field.getValue().isNull()) {
                assertThat(given.isNull() || given.isMissingNode())
                        .as("%s is null in %s", field.getKey(), actual)
                        .isTrue();
            } else {
                assertThat(given).as("%s in %s", field.getKey(), actual).isEqualTo(field.getValue());
            }
        });
    }
}
