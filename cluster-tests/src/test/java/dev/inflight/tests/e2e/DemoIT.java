package dev.inflight.tests.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.tests.Eventually;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** {@code ./inflight demo}, the first thing anybody runs. */
class DemoIT {
    private static final Duration GRACE = Duration.ofSeconds(20);

    @Test
    void updatesInPlaceUnderLoad() throws Exception {
        JsonNode report = demo("--size", "32MiB");
        assertThat(report.path("engine").asText()).isEqualTo("reference");
        assertThat(report.path("mode").asText()).isEqualTo("in-place");
        assertThat(report.path("workers").asInt()).isEqualTo(2);
        assertThat(report.path("bytes").asLong()).isBetween(30L << 20, 34L << 20);
    }

    @Test
    void updatesFourWorkersInTheShadow() throws Exception {
        JsonNode report = demo("--size", "16MiB", "--mode", "shadow", "--workers", "4");
        assertThat(report.path("mode").asText()).isEqualTo("shadow");
        assertThat(report.path("workers").asInt()).isEqualTo(4);
    }

    @Test
    void updatesTorchEngines() throws Exception {
        Python.require();
        JsonNode report = demo("--size", "16MiB", "--engine", "torch");
        assertThat(report.path("engine").asText()).isEqualTo("torch");
    }

    @Test
    void updatesATensorParallelGroup() throws Exception {
        JsonNode report = demo("--size", "16MiB", "--tp", "2");
        assertThat(report.path("tp").asInt()).isEqualTo(2);
    }

    @Test
    void updatesATensorParallelGroupOfTorchEnginesInTheShadow() throws Exception {
        Python.require();
        JsonNode report = demo("--size", "16MiB", "--tp", "2", "--engine", "torch", "--mode", "shadow");
        assertThat(report.path("tp").asInt()).isEqualTo(2);
    }

    @Test
    void leavesNothingBehindOnCtrlC() throws Exception {
        try (Launched demo = Launched.start("demo", "--size", "16MiB", "--json")) {
            awaitFleet(demo);
            demo.signal("INT");
            demo.awaitEnd();
            assertThat(demo.exitCode()).isEqualTo(130);
            demo.requireNoProcesses(GRACE);
            demo.requireNoFiles();
        }
    }

    /** Nobody cleans up after SIGKILL, but nothing may go on running; the next demo removes the files. */
    @Test
    void leavesNothingRunningWhenKilled() throws Exception {
        try (Launched demo = Launched.start("demo", "--size", "16MiB", "--json")) {
            awaitFleet(demo);
            demo.signal("KILL");
            demo.awaitEnd();
            demo.requireNoProcesses(GRACE);
            try (Launched next = Launched.run("demo", "--size", "16MiB", "--workers", "1", "--json")) {
                assertThat(next.exitCode()).as(next.err()).isZero();
            }
            demo.requireNoFiles();
        }
    }

    /** A killed worker host can not remove its memory; the demo that started it does, and keeps the logs. */
    @Test
    void leavesOnlyLogsBehindWhenItsWorkerHostIsKilled() throws Exception {
        try (Launched demo = Launched.start("demo", "--size", "128MiB", "--place", "disk", "--json")) {
            awaitFleet(demo);
            awaitShards(demo);
            demo.processes().kill("--role worker");
            demo.awaitEnd();
            assertThat(demo.exitCode()).as(demo.err()).isNotZero();
            demo.requireNoProcesses(GRACE);
            demo.requireOnlyLogs();
        }
    }

    private static JsonNode demo(String... arguments) throws Exception {
        String[] all = new String[arguments.length + 2];
        all[0] = "demo";
        all[1] = "--json";
        System.arraycopy(arguments, 0, all, 2, arguments.length);
        try (Launched demo = Launched.run(all)) {
            JsonNode report = demo.json();
            assertThat(demo.exitCode()).as("%s %s", report, demo.err()).isZero();
            assertThat(report.path("scenario").asText()).isEqualTo("update");
            assertThat(report.path("verified").asBoolean()).as("%s", report).isTrue();
            assertThat(report.at("/requests/sent").asLong()).isPositive();
            assertThat(report.at("/requests/failed").asLong(-1)).as(demo.err()).isZero();
            assertThat(report.at("/requests/mixed").asLong(-1)).as(demo.err()).isZero();
            demo.requireNoProcesses(Duration.ofSeconds(1));
            demo.requireNoFiles();
            return report;
        }
    }

    /** Returns when a host store has a checkpoint's shards in shared memory. */
    private static void awaitShards(Launched demo) {
        Eventually.until(
                "shards are in shared memory",
                Duration.ofSeconds(60),
                () -> demo.processes().files().stream()
                        .anyMatch(file -> file.getFileName().toString().contains("-arena-")));
    }

    /** Returns when coordinator, two workers and two engines are processes. */
    private static void awaitFleet(Launched demo) {
        Eventually.until(
                "a fleet of 5 processes runs",
                Duration.ofSeconds(60),
                () -> demo.processes().alive().size() == 6);
    }
}
