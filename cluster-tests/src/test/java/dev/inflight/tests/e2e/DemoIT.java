package dev.inflight.tests.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.tests.Eventually;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
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

    /** {@link MiniLmIT} updates torch engines too. */
    @Test
    @Tag("heavy")
    void updatesTorchEngines() throws Exception {
        Python.require();
        JsonNode report = demo("--size", "16MiB", "--engine", "torch");
        assertThat(report.path("engine").asText()).isEqualTo("torch");
    }

    /** {@code TensorParallelIT} has such a group too. */
    @Test
    @Tag("heavy")
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
    void anEngineJoinsOverTcp() throws Exception {
        JsonNode report = scenario("join", "--size", "32MiB");
        assertThat(report.path("path").asText()).isEqualTo("tcp");
        assertThat(report.path("joiners").asInt()).isEqualTo(1);
        assertThat(report.path("bytesResent").asLong(-1)).as("%s", report).isZero();
        assertThat(report.path("sources")).as("%s", report).isNotEmpty();
        assertThat(report.path("joinGBps").asDouble()).isPositive();
        assertThat(report.path("ceilingGBps").asDouble()).isPositive();
    }

    @Test
    @Tag("heavy")
    void threeEnginesJoinAtOnceOverSharedMemory() throws Exception {
        JsonNode report = scenario("mass-join", "--size", "128MiB", "--path", "mapped");
        assertThat(report.path("path").asText()).isEqualTo("mapped");
        assertThat(report.path("joiners").asInt()).isEqualTo(3);
    }

    @Test
    void anEngineJoinsAlthoughASourceIsKilledHalfWay() throws Exception {
        JsonNode report = scenario("kill-source", "--size", "64MiB");
        assertThat(report.path("attempts").asInt()).as("%s", report).isEqualTo(1);
        // What was under way from the killed one, and little more.
        assertThat(report.path("bytesResent").asLong(-1))
                .as("%s", report)
                .isBetween(0L, report.path("bytes").asLong() / 2);
    }

    @Test
    void nothingIsLostWhenAWorkerHostLeaves() throws Exception {
        JsonNode report = scenario("leave", "--size", "32MiB", "--workers", "3");
        assertThat(report.path("workers").asInt()).isEqualTo(3);
    }

    @Test
    void rollsBackWithoutSendingWhatEnginesStillHold() throws Exception {
        JsonNode report = scenario("rollback", "--size", "16MiB", "--mode", "shadow");
        assertThat(report.path("outcome").asText()).isEqualTo("committed");
        assertThat(report.path("strategy").asText()).isEqualTo("standby");
        assertThat(report.path("rollbackSeconds").asDouble()).isPositive();
        assertThat(report.path("forwardSeconds").asDouble()).isPositive();
    }

    @Test
    void aBadVersionIsNoticedOnOneEngineAndTakenBack() throws Exception {
        JsonNode report = scenario("canary-revert", "--size", "16MiB", "--mode", "shadow", "--workers", "3");
        assertThat(report.path("outcome").asText()).isEqualTo("reverted");
        assertThat(report.path("detectedBy").asText()).isEqualTo("http");
        assertThat(report.path("canaries").asInt()).isEqualTo(1);
        assertThat(report.path("rollbackSeconds").asDouble()).isPositive();
        assertThat(report.path("stallMs").isNumber()).as("%s", report).isTrue();
    }

    @Test
    void flippedBitsAreFoundNamedAndNeverServed() throws Exception {
        JsonNode report = scenario("corrupt", "--size", "32MiB");
        assertThat(report.path("outcome").asText()).as("%s", report).isEqualTo("detected");
        assertThat(report.path("places")
                        .valueStream()
                        .map(place -> place.path("place").asText()))
                .as("%s", report)
                .containsExactly("store", "wire", "slot", "file", "live");
        for (JsonNode place : report.path("places")) {
            assertThat(place.path("detected").asBoolean()).as("%s", place).isTrue();
            assertThat(place.path("namedTensor").asText("")).as("%s", place).isNotEmpty();
            assertThat(place.path("namedFile").asText("")).as("%s", place).endsWith(".safetensors");
            assertThat(place.path("namedHost").asText("")).as("%s", place).contains("-worker-");
            assertThat(place.path("repaired").isTextual()
                            || place.path("refused").asBoolean()
                            || place.path("place").asText().equals("live"))
                    .as("%s", place)
                    .isTrue();
        }
    }

    @Test
    @Tag("heavy")
    void theNextCoordinatorEndsAnUpdateWhoseCoordinatorIsKilled() throws Exception {
        JsonNode report = scenario("kill-coordinator", "--size", "128MiB", "--mode", "shadow");
        assertThat(report.path("coordinators").asInt()).isEqualTo(3);
        assertThat(report.path("outcome").asText()).isIn("aborted", "committed");
        assertThat(report.path("version").asText())
                .isEqualTo(report.path("outcome").asText().equals("aborted") ? "v1" : "v2");
        assertThat(report.path("detectedBy").asText()).isEqualTo("refused connection");
        assertThat(report.path("failoverSeconds").asDouble()).isBetween(0.1, 15.0);
        // Engines serve in the shadow whoever decides.
        assertThat(report.path("stallMs").asDouble()).isLessThan(2000);
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

    /** So that engines on the same processors answer first. */
    @Test
    void worksBehindTheEngines() throws Exception {
        try (Launched demo = Launched.start("demo", "--size", "16MiB", "--json")) {
            awaitFleet(demo);
            int own = MarkedProcesses.niceness("self").first();
            Eventually.until(
                    "worker hosts, and they alone, let others go first",
                    GRACE,
                    () -> demo.processes().alive().stream()
                            .collect(Collectors.groupingBy(
                                    line -> line.contains("--role worker"),
                                    Collectors.flatMapping(
                                            line -> MarkedProcesses.niceness(line.split(" ")[0]).stream(),
                                            Collectors.toSet())))
                            .equals(Map.of(false, Set.of(own), true, Set.of(Math.max(own, 10)))));
            demo.signal("INT");
            demo.awaitEnd();
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
        return scenario("update", arguments);
    }

    private static JsonNode scenario(String name, String... arguments) throws Exception {
        String[] all = new String[arguments.length + 4];
        all[0] = "demo";
        all[1] = "--json";
        all[2] = "--scenario";
        all[3] = name;
        System.arraycopy(arguments, 0, all, 4, arguments.length);
        try (Launched demo = Launched.run(all)) {
            JsonNode report = demo.json();
            assertThat(demo.exitCode()).as("%s %s", report, demo.err()).isZero();
            assertThat(report.path("scenario").asText()).isEqualTo(name);
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
