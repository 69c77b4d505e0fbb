package dev.inflight.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.inflight.cli.StubCoordinator;
import dev.inflight.cli.bench.UpdateBench;
import dev.inflight.cli.bench.UpdateBenchReport;
import dev.inflight.cli.client.UpdateResult;
import dev.inflight.cli.console.Progress;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whole scenarios with a coordinator that says what it is told to. */
class LocalScenarioTest {
    private static final ScenarioOptions OPTIONS = new ScenarioOptions(
            EngineKind.REFERENCE, "in-place", 2, 1, 4 << 20, null, CheckpointPlace.SHM, FleetDevice.HOST);

    @TempDir
    private Path directory;

    private final StubCoordinator coordinator = new StubCoordinator();
    private final StringWriter steps = new StringWriter();
    private final Progress progress = new Progress(new PrintWriter(steps, true), false);

    @BeforeEach
    void prepare() {
        coordinator
                .on("GET /v1/status", 200, "{\"hosts\":[{},{}],\"workers\":[{\"engine\":{}},{\"engine\":{}}]}")
                .on("POST /v1/checkpoints", 202, "{\"operation\":\"publish\"}")
                .on("GET /v1/operations/publish", 200, ended("publish", "{}"))
                .on("POST /v1/updates", 202, "{\"operation\":\"update\"}")
                .on("POST /v1/verifications", 202, "{\"operation\":\"verify\"}")
                .on("GET /v1/operations/verify", 200, ended("verify", "{\"verified\":true}"));
    }

    @AfterEach
    void stop() {
        coordinator.close();
    }

    @Test
    void theBenchUpdatesBackAndForthAndComparesWithTheCeiling() throws Exception {
        coordinator.on("GET /v1/operations/update", 200, ended("update", """
                {"model":"demo","to":"v2","mode":"in-place","strategy":"broadcast","outcome":"committed",
                 "slots":{"count":3,"bytes":1048576,"reason":"room"},
                 "stages":{"h2dSeconds":0.1,"verifySeconds":0.2,"transferSeconds":0.3,"reloadSeconds":0.4,
                 "streamSeconds":0.5,"engineVerifySeconds":0.6},
                 "engines":[{"engine":"e","worker":"w","outcome":"committed","state":"SERVING","stallMs":3.5}]}"""));

        UpdateBenchReport report = UpdateBench.run(OPTIONS, 3, installation(), progress);

        assertThat(report.runs()).isEqualTo(3);
        assertThat(report.bytes()).isBetween(3L << 20, 5L << 20);
        assertThat(report.tensors()).isPositive();
        assertThat(report.stallMs()).isEqualTo(3.5);
        assertThat(report.verified()).isTrue();
        assertThat(report.slots()).isEqualTo(new UpdateResult.SlotUse(3, 1 << 20, "room"));
        assertThat(report.stages()).isEqualTo(new UpdateResult.Stages(0.1, 0.2, 0.3, 0.4, 0.5, 0.6));
        assertThat(report.processors()).isPositive();
        assertThat(report.machine()).isNotBlank();
        assertThat(report.ceilingGBps()).isPositive();
        assertThat(report.fastestSeconds()).isPositive().isLessThanOrEqualTo(report.seconds());
        assertThat(Stream.of(steps.toString().split("\\R")).filter(step -> step.startsWith("updating to")))
                .containsExactlyElementsOf(IntStream.range(0, 20 + 3)
                        .mapToObj(i -> i % 2 == 0 ? "updating to v1" : "updating to v2")
                        .toList());
    }

    @Test
    void anAbortedUpdateEndsTheScenarioWithItsReasonAndKeepsTheLogs() throws Exception {
        coordinator.on(
                "GET /v1/operations/update",
                200,
                "{\"id\":\"u\",\"kind\":\"update\",\"state\":\"failed\",\"error\":\"worker lost\"}");
        StringBuilder message = new StringBuilder();

        assertThatExceptionOfType(ScenarioFailedException.class)
                .isThrownBy(() -> UpdateBench.run(OPTIONS, 1, installation(), progress))
                .satisfies(failure -> message.append(failure.getMessage()));

        assertThat(message.toString()).startsWith("worker lost (logs: /tmp/inflight-logs-");
        deleteLogs(Path.of(message.substring(message.indexOf("/tmp"), message.length() - 1)));
    }

    @Test
    void moreThanTheMemoryIsRefusedBeforeAnythingStarts() throws Exception {
        ScenarioOptions huge = new ScenarioOptions(
                EngineKind.REFERENCE, "shadow", 64, 1, 1L << 50, null, CheckpointPlace.SHM, FleetDevice.HOST);

        assertThatExceptionOfType(ScenarioFailedException.class)
                .isThrownBy(() -> UpdateBench.run(huge, 1, installation(), progress))
                .withMessageContaining("is available; try a smaller --size");
        assertThat(coordinator.requests()).isEmpty();
    }

    private Installation installation() throws IOException {
        return AnnouncingJvms.install(directory, "none", coordinator.url());
    }

    private static String ended(String kind, String result) {
        return "{\"id\":\"x\",\"kind\":\"" + kind + "\",\"state\":\"succeeded\",\"result\":" + result + "}";
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
