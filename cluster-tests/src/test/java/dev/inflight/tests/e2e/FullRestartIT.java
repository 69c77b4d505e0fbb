package dev.inflight.tests.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.protocol.link.TensorParallel;
import dev.inflight.tests.Eventually;
import dev.inflight.tests.fleet.EngineProcess;
import dev.inflight.tests.fleet.TestCheckpoint;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** When all nodes and engines are killed at once and started again, the fleet goes on with what was published. */
class FullRestartIT {
    private static final Duration LIMIT = Duration.ofSeconds(120);

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path directory;

    @Test
    void bringsANewEngineToTheVersionThatTheLedgerKnows() throws Exception {
        try (TestCheckpoint checkpoint = TestCheckpoint.write(directory.resolve("v1.safetensors"), 1)) {
            JsonNode before;
            Nodes nodes = Nodes.start(directory, 1);
            EngineProcess engine = engine(nodes);
            try {
                nodes.command(
                                "publish",
                                "--model",
                                "m",
                                "--version",
                                "v1",
                                checkpoint.file().toString())
                        .close();
                before = update(nodes);
            } finally {
                nodes.kill();
                engine.kill();
            }

            nodes = Nodes.start(directory, 1);
            engine = engine(nodes);
            try {
                EngineProcess joining = engine;
                Eventually.until(
                        "the new engine serves v1",
                        LIMIT,
                        () -> joining.health().path("version").asText().equals("v1"));
                engine.requireServing("v1", checkpoint.answers());
                assertThat(update(nodes).path("epoch")).isEqualTo(before.path("epoch"));
                try (Launched history = nodes.command("history", "--model", "m", "--json")) {
                    assertThat(history.json().path("operations"))
                            .anySatisfy(
                                    row -> assertThat(row.path("kind").asText()).isEqualTo("publish"))
                            .anySatisfy(row -> {
                                assertThat(row.path("kind").asText()).isEqualTo("update");
                                assertThat(row.path("outcome").asText()).isEqualTo("committed");
                                assertThat(row.path("requester").asText()).isEqualTo("ann");
                            });
                }
            } finally {
                engine.kill();
                nodes.close();
            }
        }
    }

    private EngineProcess engine(Nodes nodes) throws Exception {
        EngineProcess engine =
                EngineProcess.start(directory, "engine-0", "m", Path.of(nodes.link(0)), TensorParallel.NONE);
        Eventually.until("the engine is attached", LIMIT, () -> {
            try (Launched status = nodes.command("status", "--json")) {
                return status.json().at("/workers/0/engine").isObject();
            }
        });
        return engine;
    }

    /** Always the same one. */
    private static JsonNode update(Nodes nodes) throws Exception {
        try (Launched update = nodes.command(
                "update",
                "--model",
                "m",
                "--version",
                "v1",
                "--requester",
                "ann",
                "--idempotency-key",
                "step-1",
                "--json")) {
            assertThat(update.exitCode()).as(update.err()).isZero();
            return update.json();
        }
    }
}
