package dev.inflight.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.cli.demo.FreePort;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class CoordinatorCommandsTest {
    private static final String ACCEPTED = "{\"operation\":\"op-1\"}";
    private static final String RUNNING = """
            {"id":"op-1","kind":"update","state":"running","phase":"streaming","doneBytes":5,"totalBytes":10,
             "error":null,"result":null}""";
    private static final String COMMITTED = """
            {"id":"op-1","kind":"update","state":"succeeded","phase":"done","doneBytes":10,"totalBytes":10,
             "error":null,"result":{"model":"m","from":"v1","to":"v2","epoch":3,"mode":"shadow",
             "strategy":"broadcast","outcome":"committed","reason":null,"seconds":0.5,"bytes":1048576,
             "deliveredBytes":2097152,"planDigest":"ab","engines":[{"engine":"e0","worker":"w0/0",
             "outcome":"committed","state":"SERVING","version":"v2","stallMs":1.5}],"restore":null}}""";
    private static final String ABORTED = """
            {"id":"op-1","kind":"update","state":"failed","phase":"aborting","doneBytes":0,"totalBytes":10,
             "error":"worker w1/0 was lost","result":{"model":"m","from":"v1","to":"v2","epoch":3,
             "mode":"in-place","strategy":"broadcast","outcome":"aborted","reason":"worker w1/0 was lost",
             "seconds":0.5,"bytes":1048576,"deliveredBytes":0,"engines":[]}}""";

    private final StubCoordinator coordinator = new StubCoordinator();

    @AfterEach
    void stop() {
        coordinator.close();
    }

    @Test
    void updateWaitsForTheEndAndPrintsTheResultAsJson() {
        coordinator
                .on("POST /v1/updates", 202, ACCEPTED)
                .on("GET /v1/operations/op-1", 200, RUNNING)
                .on("GET /v1/operations/op-1", 200, COMMITTED);

        CommandRun run = run(
                "update",
                "--model",
                "m",
                "--version",
                "v2",
                "--mode",
                "shadow",
                "--requester",
                "ann",
                "--idempotency-key",
                "k1",
                "--json");

        assertThat(run.exitCode()).isZero();
        assertThat(run.json().path("outcome").asText()).isEqualTo("committed");
        assertThat(run.json().path("engines").path(0).path("stallMs").asDouble())
                .isEqualTo(1.5);
        assertThat(coordinator.requests())
                .contains("POST /v1/updates "
                        + "{\"model\":\"m\",\"version\":\"v2\",\"mode\":\"shadow\",\"strategy\":\"auto\","
                        + "\"requester\":\"ann\",\"idempotencyKey\":\"k1\"}");
    }

    @Test
    void historyShowsPastOperations() {
        coordinator.on("GET /v1/history", 200, """
                {"operations":[{"operation":"update-1","kind":"update","model":"m","from":"v1","to":"v2",
                 "outcome":"aborted","startedAt":"2026-11-22T09:00:00Z","endedAt":"2026-11-22T09:00:01Z","seconds":0.25,
                 "requester":"ann","reason":"worker w1/0 was lost"}],"next":null}""");

        CommandRun run = run("history", "--model", "m", "--since", "24h");

        assertThat(run.out()).contains("update-1", "v1", "v2", "aborted", "0.250", "ann", "worker w1/0 was lost");
        assertThat(run("history", "--json").json().path("operations")).hasSize(1);
        assertThat(run("history", "--since", "yesterday").err()).contains("--since yesterday");
    }

    @Test
    void updateShowsEveryEngineToPeople() {
        coordinator.on("POST /v1/updates", 202, ACCEPTED).on("GET /v1/operations/op-1", 200, COMMITTED);

        CommandRun run = run("update", "--model", "m", "--version", "v2");

        assertThat(run.out()).contains("committed m: v1 -> v2, shadow", "e0", "w0/0", "SERVING");
    }

    @Test
    void anAbortedUpdateFailsAndItsJsonTellsTheReason() {
        coordinator.on("POST /v1/updates", 202, ACCEPTED).on("GET /v1/operations/op-1", 200, ABORTED);

        CommandRun run = run("update", "--model", "m", "--version", "v2", "--json");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.json().path("error").asText()).isEqualTo("worker w1/0 was lost");
        assertThat(run.json().path("outcome").asText()).isEqualTo("aborted");
    }

    @Test
    void whatIsNotKnownOfAnEngineIsNoProblem() {
        coordinator.on("POST /v1/updates", 202, ACCEPTED).on("GET /v1/operations/op-1", 200, """
                        {"id":"op-1","kind":"update","state":"failed","error":"gone","result":{"model":"m",
                         "from":null,"to":"v2","epoch":0,"mode":null,"strategy":"auto","outcome":"aborted",
                         "reason":"gone","seconds":0.1,"bytes":1,"deliveredBytes":0,"slots":null,
                         "engines":[{"engine":null,"worker":"w0/0","outcome":"failed","state":null,
                         "version":null,"stallMs":null}]}}""");

        CommandRun run = run("update", "--model", "m", "--version", "v2");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.err()).doesNotContain("Exception");
        assertThat(run.out()).contains("aborted m: nothing -> v2, no mode chosen", "reason: gone", "w0/0", "gone");
    }

    @Test
    void aRefusalIsTheCoordinatorsOwnMessage() {
        coordinator.on("POST /v1/updates", 404, "{\"error\":\"model \\\"m\\\" has no version \\\"v9\\\"\"}");

        CommandRun run = run("update", "--model", "m", "--version", "v9");

        assertThat(run.exitCode()).isEqualTo(4);
        assertThat(run.err()).isEqualTo("inflight: model \"m\" has no version \"v9\"" + System.lineSeparator());
    }

    @Test
    void aLimitSaysWhenTheUpdateWouldBeAllowed() {
        coordinator.on("POST /v1/updates", 429, """
                {"error":"updates-per-hour is 1; allowed at 2026-11-22T10:00:00Z","limit":"updates-per-hour",
                 "retryAt":"2026-11-22T10:00:00Z"}""");

        CommandRun run = run("update", "--model", "m", "--version", "v2", "--json");

        assertThat(run.exitCode()).isEqualTo(4);
        assertThat(run.err()).contains("updates-per-hour is 1; allowed at 2026-11-22T10:00:00Z");
        assertThat(run.json().path("limit").asText()).isEqualTo("updates-per-hour");
        assertThat(run.json().path("retryAt").asText()).isEqualTo("2026-11-22T10:00:00Z");
    }

    @Test
    void anUpdateThatMayWaitWaitsForItsTurnAndItsEnd() {
        coordinator
                .on("POST /v1/updates", 202, ACCEPTED)
                .on("GET /v1/operations/op-1", 200, """
                        {"id":"op-1","kind":"update","state":"running","phase":"queued","doneBytes":0,"totalBytes":0,
                         "error":null,"result":null,"turn":{"position":2,"reason":"op-0 is running",
                         "expectedAt":"2026-11-22T10:00:00Z","until":"2026-11-22T11:00:00Z"}}""")
                .on("GET /v1/operations/op-1", 200, COMMITTED);

        CommandRun run = run("update", "--model", "m", "--version", "v2", "--wait", "--wait-timeout", "10m", "--json");

        assertThat(run.exitCode()).isZero();
        assertThat(coordinator.requests())
                .anySatisfy(request -> assertThat(request)
                        .startsWith("POST /v1/updates ")
                        .contains("\"wait\":true", "\"waitTimeoutMs\":600000"));
        assertThat(run("update", "--model", "m", "--version", "v2", "--wait-timeout", "10m")
                        .exitCode())
                .isEqualTo(2);
        assertThat(run("update", "--model", "m", "--version", "v2", "--wait", "--wait-timeout", "soon")
                        .err())
                .contains("is not like 90s, 10m or 1h");
    }

    @Test
    void whatWaitsCanBeCalledOff() {
        coordinator.on("POST /v1/operations/op-1/cancel", 200, """
                {"id":"op-1","kind":"update","state":"failed","phase":"cancelled","doneBytes":0,"totalBytes":0,
                 "error":"cancelled","result":null,"turn":null}""");

        CommandRun run = run("cancel", "op-1", "--requester", "ann");

        assertThat(run.exitCode()).isZero();
        assertThat(run.out()).contains("op-1 cancelled");
        assertThat(coordinator.requests()).contains("POST /v1/operations/op-1/cancel {\"requester\":\"ann\"}");
    }

    @Test
    void statusShowsLimitsWithWhatIsUsedAndWhoWaits() {
        coordinator.on("GET /v1/status", 200, """
                {"cluster":{"members":[]},"models":[],"workers":[],"operation":null,"lastUpdate":null,
                 "hosts":[{"host":"w1","endpoint":"w1:1","checkpoints":[],"maxSourceBytesPerSecond":104857600}],
                 "limits":[{"scope":"model","name":"m","updatesPerHour":12,"updatesLastHour":3,
                 "minIntervalSeconds":30.0,"lastUpdateAt":null,"concurrentUpdates":null,"runningUpdates":1,
                 "bytesPerDay":2097152,"bytesLastDay":1048576,"deniedBy":"min-interval",
                 "allowedAt":"2026-11-22T10:00:00Z"},
                 {"scope":"tenant","name":"ann","updatesPerHour":null,"minIntervalSeconds":null,
                 "concurrentUpdates":null,"bytesPerDay":null},
                 {"scope":"tenant","name":"bob","updatesPerHour":null,"updatesLastHour":0,"minIntervalSeconds":null,
                 "concurrentUpdates":null,"runningUpdates":0,"bytesPerDay":null,"bytesLastDay":0,
                 "bytesPerSecondPerHost":209715200,"deniedBy":null}],
                 "queue":[{"operation":"op-2","model":"m","version":"v2","group":null,"requester":"ann",
                 "turn":{"position":1,"reason":"op-1 is running","expectedAt":null,"until":"2026-11-22T11:00:00Z"}}]}""");

        assertThat(run("status").out())
                .contains("model m", "3 of 12", "30.0 s", "1 MiB of 2 MiB", "2026-11-22T10:00:00Z (min-interval)")
                .doesNotContain("tenant ann")
                .contains("tenant bob", "200 MiB/s")
                .contains("100 MiB/s")
                .contains("op-2", "op-1 is running");
    }

    @Test
    void publishSendsAnAbsolutePath() {
        coordinator.on("POST /v1/checkpoints", 202, ACCEPTED).on("GET /v1/operations/op-1", 200, """
                        {"id":"op-1","kind":"publish","state":"succeeded","phase":null,"doneBytes":0,"totalBytes":0,
                         "error":null,"result":{"model":"m","version":"v1","digest":"00ff","bytes":1048576,
                         "tensors":7,"seconds":0.1,"inPlace":true,"hosts":["w0"]}}""");

        CommandRun run = run("publish", "--model", "m", "--version", "v1", "weights/../model.safetensors");

        assertThat(run.exitCode()).isZero();
        assertThat(run.out()).contains("m v1 published: 7 tensors, 1 MiB", "(in place)", "manifest 00ff");
        assertThat(coordinator.requests())
                .anySatisfy(request -> assertThat(request)
                        .startsWith("POST /v1/checkpoints ")
                        .contains("\"source\":\"/")
                        .doesNotContain(".."));
    }

    @Test
    void aDifferenceFoundByVerifyIsAFailure() {
        coordinator.on("POST /v1/verifications", 202, ACCEPTED).on("GET /v1/operations/op-1", 200, """
                        {"id":"op-1","kind":"verify","state":"succeeded","result":{"verified":false,"version":"v2",
                         "engines":[{"engine":"e0","worker":"w0/0","version":"v2","tensors":7,"mismatches":1,
                         "mismatched":["lm_head.weight"],"error":null}]}}""");

        CommandRun run = run("verify", "--model", "m");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.out()).contains("NOT verified", "lm_head.weight");
    }

    @Test
    void statusPassesTheCoordinatorsJsonOn() {
        coordinator.on("GET /v1/status", 200, """
                {"cluster":{"self":"a","leader":"a","members":[{"address":"a","status":"Up",
                 "roles":["worker","coordinator"],"reachable":false}]},
                 "models":[{"model":"m","versions":[{"version":"v1","digest":"0123456789abcdef","bytes":1024,
                 "tensors":2,"source":"/x"}]}],"hosts":[],
                 "workers":[{"worker":"w0/0","engine":null}],"operation":null,"lastUpdate":null}""");

        assertThat(run("status", "--json")
                        .json()
                        .path("models")
                        .path(0)
                        .path("model")
                        .asText())
                .isEqualTo("m");
        assertThat(run("status").out()).contains("Up unreachable", "worker,coordinator", "0123456789ab", "no engine");
    }

    @Test
    void anUnreachableCoordinatorHasItsOwnExitCode() {
        String nobody = "http://127.0.0.1:" + FreePort.choose();

        CommandRun run = CommandRun.of("status", "--coordinator", nobody, "--json");

        assertThat(run.exitCode()).isEqualTo(3);
        assertThat(run.json().path("error").asText()).contains(nobody, "--coordinator URL");
    }

    @Test
    void somethingElseOnThePortIsNoCoordinator() {
        coordinator.on("GET /v1/status", 200, "<html>hello</html>");

        CommandRun run = run("status");

        assertThat(run.exitCode()).isEqualTo(3);
        assertThat(run.err()).contains("not a coordinator");
    }

    private CommandRun run(String... arguments) {
        List<String> all = new ArrayList<>(List.of(arguments));
        all.addAll(List.of("--coordinator", coordinator.url()));
        return CommandRun.of(all.toArray(String[]::new));
    }
}
