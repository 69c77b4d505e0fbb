package dev.inflight.tests.update;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.inflight.tests.Eventually;
import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.fleet.TestFleet;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/** A Python trainer publishes out of its own memory; another one is killed before it does. */
public final class ArenaSpec extends FleetSpec {
    static final int WORKERS = 2;

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration PATIENCE = Duration.ofSeconds(90);
    private static final Path PYTHON = Path.of("../python/.venv/bin/python");
    private static final Path SCRIPT = Path.of("src/test/python/arena_trainer.py");

    public ArenaSpec() {
        super(WORKERS, Map.of("inflight.worker.store.lease-timeout", "20s"));
    }

    @Override
    protected void tell(TestFleet fleet) throws Exception {
        Process held = trainer(fleet, "hold");
        Path arena;
        try (BufferedReader out = held.inputReader()) {
            JsonNode lease = JSON.readTree(String.valueOf(out.readLine()));
            assertThat(lease.path("state").asText()).isEqualTo("ready");
            arena = Path.of(lease.path("path").asText());
            assertThat(Files.size(arena))
                    .isGreaterThanOrEqualTo(lease.path("bytes").asLong());
        } finally {
            held.destroyForcibly();
        }

        Process trainer = trainer(fleet, "publish");
        try (BufferedReader out = trainer.inputReader()) {
            List<String> lines = out.lines().toList();
            assertThat(trainer.waitFor()).as("%s", lines).isZero();
            assertThat(lines).hasSize(2);
            for (String line : lines) {
                requirePublished(JSON.readTree(line));
            }
        }
        JsonNode versions = fleet.status().at("/models/0/versions");
        assertThat(versions).hasSize(2);
        assertThat(versions.at("/0/digest")).isNotEqualTo(versions.at("/1/digest"));

        Eventually.until("the dead trainer's arena is gone", PATIENCE, () -> !Files.exists(arena));
    }

    private static void requirePublished(JsonNode results) {
        assertThat(results.at("/published/hosts")).as("%s", results).hasSize(WORKERS);
        assertThat(results.at("/published/in_place").asBoolean()).isTrue();
        assertThat(results.at("/updated/outcome").asText()).isEqualTo("committed");
        assertThat(results.at("/updated/engines")).hasSize(WORKERS);
        assertThat(results.at("/verified/verified").asBoolean()).isTrue();
        assertThat(results.at("/verified/engines/1/tensors").asInt()).isEqualTo(9);
    }

    private static Process trainer(TestFleet fleet, String deed) throws IOException {
        return new ProcessBuilder(PYTHON.toString(), SCRIPT.toString(), fleet.http(), TestFleet.MODEL, deed)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
    }
}
