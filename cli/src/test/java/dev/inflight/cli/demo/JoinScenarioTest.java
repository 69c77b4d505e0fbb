package dev.inflight.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.inflight.cli.StubCoordinator;
import dev.inflight.cli.console.Progress;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Scenarios with a coordinator that says what it is told to, and engines that nobody reaches. */
class JoinScenarioTest {
    private static final JoinOptions OPTIONS = new JoinOptions(
            new ScenarioOptions(
                    EngineKind.REFERENCE, "in-place", 1, 1, 4 << 20, null, CheckpointPlace.SHM, FleetDevice.HOST),
            1,
            JoinPath.MAPPED);

    private static final String SERVING =
            "{\"engine\":{\"engine\":\"engine-0\",\"state\":\"SERVING\",\"version\":\"v1\"}}";

    @TempDir
    private Path directory;

    private final StubCoordinator coordinator = new StubCoordinator();
    private final StringWriter steps = new StringWriter();
    private final Progress progress = new Progress(new PrintWriter(steps, true), false);

    @BeforeEach
    void prepare() {
        coordinator
                .on("GET /v1/status", 200, workers(SERVING))
                .on("POST /v1/checkpoints", 202, "{\"operation\":\"publish\"}")
                .on("GET /v1/operations/publish", 200, succeeded("publish", "{}"))
                .on("POST /v1/updates", 202, "{\"operation\":\"update\"}")
                .on(
                        "GET /v1/operations/update",
                        200,
                        succeeded("update", "{\"model\":\"demo\",\"to\":\"v1\",\"outcome\":\"committed\"}"))
                .on("POST /v1/verifications", 202, "{\"operation\":\"verify\"}")
                .on("GET /v1/operations/verify", 200, succeeded("verify", "{\"verified\":true}"));
    }

    @AfterEach
    void stop() {
        coordinator.close();
    }

    @Test
    void reportsWhatTheJoinThatNobodyAskedForCameTo() throws Exception {
        coordinator
                .on("GET /v1/status", 200, workers(SERVING))
                .on("GET /v1/status", 200, workers(SERVING, joiner("PENDING_WEIGHTS", null, null)))
                .on("GET /v1/status", 200, workers(SERVING, joiner("UPDATING", null, "join-1")))
                .on("GET /v1/status", 200, workers(SERVING, joiner("SERVING", "v1", null)))
                .on("GET /v1/operations/join-1", 200, running("join", 1, 2))
                .on("GET /v1/operations/join-1", 200, succeeded("join", """
                                {"resentBytes":7,"sources":["b","a"],"castBytes":5,"castSources":["b"]}"""));

        JoinReport report =
                JoinScenario.run("join", OPTIONS, installation(), progress).report();

        JsonNode json = new ObjectMapper().valueToTree(report);
        assertThat(json.fieldNames())
                .toIterable()
                .containsExactly(
                        "scenario",
                        "engine",
                        "mode",
                        "path",
                        "workers",
                        "joiners",
                        "bytes",
                        "tensors",
                        "seconds",
                        "deliveredGBps",
                        "joinSeconds",
                        "joinGBps",
                        "transferSeconds",
                        "transferGBps",
                        "ceilingGBps",
                        "ratio",
                        "transferRatio",
                        "stallMs",
                        "attempts",
                        "bytesResent",
                        "sources",
                        "bytesCast",
                        "castSources",
                        "othersP99MsBefore",
                        "othersP99MsDuring",
                        "requests",
                        "verified");
        assertThat(report.path()).isEqualTo("mapped");
        assertThat(report.attempts()).isEqualTo(1);
        assertThat(report.bytesResent()).isEqualTo(7);
        assertThat(report.sources()).containsExactly("a", "b");
        assertThat(report.bytesCast()).isEqualTo(5);
        assertThat(report.castSources()).containsExactly("b");
        assertThat(report.joinSeconds()).isPositive().isLessThan(10);
        assertThat(report.joinGBps()).isPositive();
        assertThat(report.ceilingGBps()).isPositive();
        assertThat(report.verified()).isTrue();
        // Nobody gets a right answer here.
        assertThat(report.passed()).isFalse();
        assertThat(coordinator.requests())
                .filteredOn(request -> request.startsWith("POST /v1/updates"))
                .hasSize(1);
    }

    @Test
    void aSourceThatCanNotBeKilledInTimeIsSaid() throws Exception {
        JoinOptions twoSources = new JoinOptions(OPTIONS.fleet().withWorkers(2), 1, JoinPath.TCP);
        coordinator.on(
                "GET /v1/status",
                200,
                workers(SERVING, joiner("SERVING", "v1", null), joiner("engine-2", "SERVING", "v1", null)));
        StringBuilder message = new StringBuilder();

        assertThatExceptionOfType(ScenarioFailedException.class)
                .isThrownBy(() -> KillSourceScenario.run(twoSources, installation(), progress))
                .satisfies(failure -> message.append(failure.getMessage()));

        assertThat(message.toString()).startsWith("the join was over before it was seen to be half-way; try a larger");
        deleteLogs(Path.of(message.substring(message.indexOf("/tmp"), message.length() - 1)));
    }

    private static String workers(String... workers) {
        return "{\"hosts\":[{},{}],\"workers\":[" + String.join(",", workers) + "]}";
    }

    private static String joiner(String state, String version, String join) {
        return joiner("engine-1", state, version, join);
    }

    private static String joiner(String engine, String state, String version, String join) {
        return "{\"engine\":{\"engine\":\"" + engine + "\",\"state\":\"" + state + "\",\"version\":" + quoted(version)
                + ",\"join\":" + (join == null ? "null" : "{\"operation\":" + quoted(join) + "}") + "}}";
    }

    private static String quoted(String text) {
        return text == null ? "null" : "\"" + text + "\"";
    }

    private static String running(String kind, long done, long total) {
        return "{\"id\":\"x\",\"kind\":\"" + kind + "\",\"state\":\"running\",\"doneBytes\":" + done
                + ",\"totalBytes\":" + total + "}";
    }

    private static String succeeded(String kind, String result) {
        return "{\"id\":\"x\",\"kind\":\"" + kind + "\",\"state\":\"succeeded\",\"result\":" + result + "}";
    }

    private Installation installation() throws IOException {
        return AnnouncingJvms.install(directory, "none", coordinator.url());
    }

    private static void deleteLogs(Path logs) throws IOException {
        try (Stream<Path> files = Files.list(logs)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(logs);
    }
}
