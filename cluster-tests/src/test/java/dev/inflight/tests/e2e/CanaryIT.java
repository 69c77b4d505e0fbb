package dev.inflight.tests.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.protocol.link.TensorParallel;
import dev.inflight.tests.Eventually;
import dev.inflight.tests.fleet.EngineProcess;
import dev.inflight.tests.fleet.TestCheckpoint;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Canaries of real processes: for the engines of one tenant, watched by a command, and over the loss of their coordinator. */
class CanaryIT {
    private static final Duration LIMIT = Duration.ofSeconds(90);
    private static final Map<String, String> LABELS = Map.of(
            "INFLIGHT_JAVA_OPTS",
            "-Dinflight.worker.labels.tenant=a -Dinflight.worker.engine-labels.engine-2.tenant=b");

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path directory;

    @Test
    void someEnginesTryAVersionAndALostCoordinatorDoesNotLeaveThemWithIt() throws Exception {
        try (TestCheckpoint first = TestCheckpoint.write(directory.resolve("v1.safetensors"), 1);
                TestCheckpoint second = TestCheckpoint.write(directory.resolve("v2.safetensors"), 2)) {
            Nodes nodes = Nodes.start(directory, 3, LABELS);
            List<EngineProcess> engines = new ArrayList<>();
            try {
                for (int i = 0; i < 3; i++) {
                    engines.add(EngineProcess.start(
                            directory, "engine-" + i, "m", Path.of(nodes.link(i)), TensorParallel.NONE));
                }
                awaitAttached(nodes);
                succeed(
                        nodes,
                        "publish",
                        "--model",
                        "m",
                        "--version",
                        "v1",
                        first.file().toString());
                succeed(
                        nodes,
                        "publish",
                        "--model",
                        "m",
                        "--version",
                        "v2",
                        second.file().toString());
                succeed(nodes, "update", "--model", "m", "--version", "v1");

                JsonNode promoted = succeed(
                        nodes,
                        "update",
                        "--model",
                        "m",
                        "--version",
                        "v2",
                        "--select",
                        "tenant=a",
                        "--canary",
                        "50%",
                        "--hold",
                        "500ms",
                        "--check",
                        "command:test -n \"$INFLIGHT_CANARY\"");
                assertThat(promoted.path("outcome").asText()).as("%s", promoted).isEqualTo("promoted");
                assertThat(promoted.path("detectedBy").asText()).isEqualTo("command");
                engines.get(0).requireServing("v2", second.answers());
                engines.get(1).requireServing("v2", second.answers());
                engines.get(2).requireServing("v1", first.answers());
                try (Launched nobody =
                        nodes.command("update", "--model", "m", "--version", "v2", "--select", "tenant=c")) {
                    assertThat(nobody.exitCode()).isEqualTo(4);
                    assertThat(nobody.err()).contains("in group tenant=c");
                }

                String canary = holding(nodes, engines.get(2));
                engines.get(2).requireServing("v2", second.answers());
                nodes.kill();
                nodes = Nodes.start(directory, 3, LABELS);
                awaitReverted(nodes, canary);
                EngineProcess back = engines.get(2);
                Eventually.until(
                        "the engine has v1 again",
                        LIMIT,
                        () -> back.health().path("version").asText().equals("v1"));
                back.requireServing("v1", first.answers());
                engines.get(0).requireServing("v2", second.answers());
            } finally {
                engines.forEach(EngineProcess::kill);
                nodes.close();
            }
        }
    }

    private static void awaitAttached(Nodes nodes) {
        Eventually.until("all engines are attached", LIMIT, () -> {
            try (Launched status = nodes.command("status", "--json")) {
                return status.json()
                                .path("workers")
                                .valueStream()
                                .filter(worker -> worker.path("engine").isObject())
                                .count()
                        == 3;
            }
        });
    }

    /** Begins a canary that nobody decides about, and waits until its engine serves the version. */
    private static String holding(Nodes nodes, EngineProcess engine) throws Exception {
        try (Launched update =
                nodes.begin("update", "--model", "m", "--version", "v2", "--select", "tenant=b", "--canary", "1")) {
            Eventually.until(
                    "the canary serves v2",
                    LIMIT,
                    () -> engine.health().path("version").asText().equals("v2"));
            String[] id = new String[1];
            Eventually.until("the canary holds", LIMIT, () -> {
                try (Launched status = nodes.command("status", "--json")) {
                    JsonNode canary = status.json().at("/canaries/0");
                    id[0] = canary.path("operation").asText();
                    return canary.path("phase").asText().equals("holding");
                }
            });
            // Who asked for it does not decide about it.
            update.signal("KILL");
            update.awaitEnd();
            return id[0];
        }
    }

    /** By itself, since its engine was gone with its worker, or by hand if it came back before anybody looked. */
    private static void awaitReverted(Nodes nodes, String canary) {
        Eventually.until("the canary is reverted", LIMIT, () -> {
            nodes.command("revert", canary).close();
            try (Launched history = nodes.command("history", "--model", "m", "--json")) {
                return history.json()
                        .path("operations")
                        .valueStream()
                        .anyMatch(row -> row.path("operation").asText().equals(canary)
                                && row.path("outcome").asText().equals("reverted"));
            }
        });
    }

    private static JsonNode succeed(Nodes nodes, String... arguments) throws IOException, InterruptedException {
        String[] json = new String[arguments.length + 1];
        System.arraycopy(arguments, 0, json, 0, arguments.length);
        json[arguments.length] = "--json";
        try (Launched command = nodes.command(json)) {
            assertThat(command.exitCode()).as(command.err()).isZero();
            return command.json();
        }
    }
}
