package dev.inflight.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CanaryCommandsTest {
    private static final String ACCEPTED = "{\"operation\":\"canary-1\"}";
    private static final String HOLDING = """
            {"id":"canary-1","kind":"canary","state":"running","phase":"holding","doneBytes":0,"totalBytes":0,
             "error":null,"result":null}""";
    private static final String ENDED = """
            {"id":"canary-1","kind":"canary","state":"%s","phase":"%s","doneBytes":0,"totalBytes":0,
             "error":%s,"result":{"kind":"canary","model":"m","from":"v1","to":"v2","group":null,"share":"1",
             "outcome":"%s","detectedBy":"command","reason":%s,"seconds":3.5,"holdSeconds":2.0,"rollbackSeconds":%s,
             "stallMs":null,"updateOperation":"update-1","finalOperation":"x-1","engines":[{"engine":"e0",
             "worker":"w0/0","outcome":"committed","stallMs":1.5}]}}""";
    private static final String PROMOTED = ENDED.formatted("succeeded", "promoted", "null", "promoted", "null", "null");
    private static final String REVERTED =
            ENDED.formatted("failed", "reverted", "\"odd answers\"", "reverted", "\"odd answers\"", "0.25");

    private final StubCoordinator coordinator = new StubCoordinator();

    @TempDir
    private Path directory;

    @AfterEach
    void stop() {
        coordinator.close();
    }

    private CommandRun run(String... arguments) {
        List<String> all = new ArrayList<>(List.of(arguments));
        all.addAll(List.of("--coordinator", coordinator.url()));
        return CommandRun.of(all.toArray(String[]::new));
    }

    private CommandRun canary(String... more) {
        List<String> all =
                new ArrayList<>(List.of("update", "--model", "m", "--version", "v2", "--requester", "ann", "--canary"));
        all.addAll(List.of(more));
        return run(all.toArray(String[]::new));
    }

    private List<String> requests() {
        List<String> requests = new ArrayList<>();
        coordinator.requests().forEach(requests::add);
        return requests;
    }

    @Test
    void aCanaryIsAskedForInTheCoordinatorsTerms() {
        coordinator
                .on("POST /v1/updates", 202, ACCEPTED)
                .on("GET /v1/operations/canary-1", 200, HOLDING)
                .on("GET /v1/operations/canary-1", 200, PROMOTED);
        CommandRun run =
                canary("10%", "--hold", "1m", "--check", "http://h/health", "--group", "w0|w1", "--select", "tenant=a");
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out()).contains("promoted m: v1 -> v2, canary of 1", "held for 2.000 s", "decided by: command");
        assertThat(requests().getFirst())
                .isEqualTo("POST /v1/updates {\"model\":\"m\",\"version\":\"v2\",\"mode\":\"auto\","
                        + "\"strategy\":\"auto\",\"group\":\"w0|w1\",\"select\":\"tenant=a\",\"canary\":\"10%\","
                        + "\"holdSeconds\":60.0,\"check\":\"http://h/health\",\"requester\":\"ann\"}");
    }

    @Test
    void aCommandThatSucceedsPromotesAtTheEndOfTheHold() {
        coordinator
                .on("POST /v1/updates", 202, ACCEPTED)
                .on("POST /v1/promotions", 202, ACCEPTED)
                .on("GET /v1/operations/canary-1", 200, HOLDING)
                .on("GET /v1/operations/canary-1", 200, HOLDING)
                .on("GET /v1/operations/canary-1", 200, PROMOTED);
        Path ran = directory.resolve("ran");
        CommandRun run = canary("1", "--hold", "1ms", "--check", "command:echo $INFLIGHT_CANARY >> " + ran);
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(ran).hasContent("canary-1\ncanary-1");
        assertThat(requests().getFirst()).contains("\"check\":\"client\"");
        assertThat(requests()).contains("POST /v1/promotions {\"operation\":\"canary-1\",\"detectedBy\":\"command\"}");
    }

    @Test
    void aCommandThatFailsReverts() {
        coordinator
                .on("POST /v1/updates", 202, ACCEPTED)
                .on("POST /v1/reverts", 202, ACCEPTED)
                .on("GET /v1/operations/canary-1", 200, HOLDING)
                .on("GET /v1/operations/canary-1", 200, REVERTED);
        CommandRun run = canary("1", "--hold", "1h", "--check", "command:exit 3", "--json");
        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.json().path("outcome").asText()).isEqualTo("reverted");
        assertThat(requests())
                .contains("POST /v1/reverts {\"operation\":\"canary-1\",\"detectedBy\":\"command\","
                        + "\"reason\":\"the command ended with exit code 3\"}");
    }

    @Test
    void promoteAndRevertWaitForTheEnd() {
        coordinator
                .on("POST /v1/promotions", 202, ACCEPTED)
                .on("POST /v1/reverts", 202, ACCEPTED)
                .on("GET /v1/operations/canary-1", 200, PROMOTED)
                .on("GET /v1/operations/canary-1", 200, REVERTED);
        assertThat(run("promote", "canary-1").exitCode()).isZero();
        CommandRun reverted = run("revert", "--model", "m", "--reason", "odd answers");
        assertThat(reverted.exitCode()).as("it did what it was for").isZero();
        assertThat(reverted.out()).contains("reverted m", "rolled back in 0.250 s", "reason: odd answers");
        assertThat(requests())
                .contains(
                        "POST /v1/promotions {\"operation\":\"canary-1\",\"detectedBy\":\"operator\"}",
                        "POST /v1/reverts {\"model\":\"m\",\"detectedBy\":\"operator\",\"reason\":\"odd answers\"}");
    }

    @Test
    void optionsThatMakeNoSenseAreNamed() throws Exception {
        assertThat(run("update", "--model", "m", "--version", "v2", "--hold", "3s")
                        .err())
                .contains("--hold is for updates with --canary");
        assertThat(canary("1", "--hold", "soon").err()).contains("--hold soon is not like");
        assertThat(canary("1", "--check", "command:true").err()).contains("needs --hold");
        assertThat(run("promote").err()).contains("OPERATION or --model");
        assertThat(run("revert", "canary-1", "--model", "m").exitCode()).isEqualTo(2);
        assertThat(requests()).isEmpty();
        assertThat(Files.list(directory)).isEmpty();
    }
}
