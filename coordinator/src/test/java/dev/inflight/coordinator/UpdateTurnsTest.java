package dev.inflight.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.protocol.cluster.WorkerEvent.Session;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Limits and waiting updates, by a real coordinator over HTTP with fake hosts and workers. */
class UpdateTurnsTest {
    private static final String QUICK = "update.recovery-window = 100 ms, ";

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path data;

    @Test
    void anUpdateBeyondALimitIsRefusedWithTheTimeAlsoByTheNextCoordinator() throws Exception {
        String settings = QUICK + "limits { model.updates-per-hour = 1, tenants.bob.bytes-per-day = 100 }";
        Instant before = Instant.now();
        try (ApiNode node = ApiNode.startIn(data, settings)) {
            node.addTwoHosts();
            publish(node, "m", "v1");
            HttpResponse<String> tooMuch = update(node, "m", "v1", ",\"requester\":\"bob\"");
            assertThat(tooMuch.statusCode()).isEqualTo(429);
            assertThat(error(tooMuch)).isEqualTo("an update of tenant bob moves 4096 bytes; bytes-per-day is 100");
            assertThat(tooMuch.headers().firstValue("Retry-After"))
                    .as("it never would be taken")
                    .isEmpty();
            succeed(node, update(node, "m", "v1", ",\"requester\":\"ann\""));
            assertLimited(node, before);
            // Whoever must go back can.
            succeed(node, node.send("POST", "/v1/rollbacks", "{\"model\":\"m\",\"to\":\"v1\"}"));
            JsonNode usage = status(node).at("/limits/0");
            assertThat(usage.get("name").asText()).isEqualTo("m");
            assertThat(usage.get("updatesPerHour").asInt()).isEqualTo(1);
            assertThat(usage.get("updatesLastHour").asInt())
                    .as("a rollback does not count")
                    .isEqualTo(1);
            assertThat(usage.get("bytesLastDay").asInt()).isEqualTo(4096);
            assertThat(usage.get("deniedBy").asText()).isEqualTo("updates-per-hour");
            assertThat(node.send("GET", "/metrics", null).body())
                    .contains("inflight_updates_refused_total{limit=\"bytes-per-day\",model=\"m\"} 1.0")
                    .contains("inflight_updates_refused_total{limit=\"updates-per-hour\",model=\"m\"} 1.0");
        }
        try (ApiNode node = ApiNode.startIn(data, settings)) {
            node.addTwoHosts();
            assertLimited(node, before);
        }
    }

    private static void assertLimited(ApiNode node, Instant before) throws Exception {
        HttpResponse<String> refused = update(node, "m", "v1", "");
        assertThat(refused.statusCode()).as(refused.body()).isEqualTo(429);
        assertThat(error(refused))
                .startsWith("model m had 1 updates within an hour; updates-per-hour is 1; allowed at 20");
        Instant at = Instant.parse(Json.tree(refused.body()).get("retryAt").asText());
        assertThat(at).isBetween(before.plusSeconds(3600), Instant.now().plusSeconds(3600));
        long seconds =
                Long.parseLong(refused.headers().firstValue("Retry-After").orElseThrow());
        assertThat(seconds).isBetween(3500L, 3600L);
    }

    @Test
    void updatesOfTheSameEnginesWaitForOneAnotherAndThoseOfOtherModelsDoNot() throws Exception {
        try (ApiNode node = ApiNode.startIn(data, QUICK + "limits.queue-length = 2")) {
            node.addTwoHosts("m", "other");
            for (String version : new String[] {"stuck", "v1", "v2"}) {
                publish(node, "m", version);
            }
            publish(node, "other", "v1");
            String running = id(update(node, "m", "stuck", ""));
            String first = id(update(node, "m", "v1", ",\"wait\":true"));
            String second = id(update(node, "m", "v2", ",\"wait\":true,\"waitTimeoutMs\":60000"));
            assertThat(operation(node, first).at("/turn/reason").asText()).contains(running, "is running");
            JsonNode place = operation(node, second).get("turn");
            assertThat(place.get("position").asInt()).isEqualTo(2);
            assertThat(place.get("reason").asText()).contains(running);
            HttpResponse<String> full = update(node, "m", "v1", ",\"wait\":true");
            assertThat(full.statusCode()).isEqualTo(429);
            assertThat(error(full)).contains("2 updates of model m wait", "queue-length allows no more");
            assertThat(status(node).at("/queue").findValuesAsText("operation")).containsExactly(first, second);

            // The other model's update overlaps all of this.
            succeed(node, update(node, "other", "v1", ""));
            assertThat(operation(node, running).get("state").asText()).isEqualTo("running");

            assertThat(cancel(node, running).statusCode()).as("it has begun").isEqualTo(409);
            HttpResponse<String> cancelled = cancel(node, first);
            assertThat(Json.tree(cancelled.body()).get("phase").asText()).isEqualTo("cancelled");
            assertThat(error(cancelled)).isEqualTo("cancelled by ann before its turn came");
            assertThat(cancel(node, first).body()).as("said again").isEqualTo(cancelled.body());
            assertThat(cancel(node, "none").statusCode()).isEqualTo(404);
            assertThat(operation(node, second).at("/turn/position").asInt()).isEqualTo(1);
            assertThat(Json.tree(node.send("GET", "/v1/history?model=m", null).body())
                            .get("operations")
                            .findValuesAsText("outcome"))
                    .startsWith("cancelled", "queued", "running");
        }
    }

    @Test
    void whatWaitsBeginsByItselfAndWhatWaitsTooLongIsGivenUp() throws Exception {
        try (ApiNode node = ApiNode.startIn(data, QUICK + "limits { model.min-interval = 1500 ms }")) {
            node.addTwoHosts();
            publish(node, "m", "v1");
            publish(node, "m", "v2");
            Instant begun = Instant.now();
            succeed(node, update(node, "m", "v1", ""));
            String late = id(update(node, "m", "v2", ",\"wait\":true,\"waitTimeoutMs\":50"));
            String waiting = id(update(node, "m", "v2", ",\"wait\":true,\"idempotencyKey\":\"k\""));
            assertThat(id(update(node, "m", "v2", ",\"wait\":true,\"idempotencyKey\":\"k\"")))
                    .isEqualTo(waiting);
            HttpResponse<String> passing = update(node, "m", "v1", "");
            assertThat(passing.statusCode()).as("nobody passes those who wait").isEqualTo(409);
            JsonNode expired = end(node, late);
            assertThat(expired.get("phase").asText()).isEqualTo("expired");
            assertThat(expired.get("error").asText()).contains("min-interval is 1.5 s");
            JsonNode done = end(node, waiting);
            assertThat(done.get("phase").asText()).as("%s", done).isEqualTo("committed");
            assertThat(done.get("turn").isNull()).isTrue();
            assertThat(Instant.now()).isAfter(begun.plusMillis(1500));
        }
    }

    @Test
    void theNextCoordinatorGoesOnWithThoseThatWait() throws Exception {
        String settings = QUICK + "limits { model.concurrent-updates = 1 }";
        String waiting = leaveOneWaiting(settings);
        try (ApiNode node = ApiNode.startIn(data, settings)) {
            node.addTwoHosts();
            JsonNode done = end(node, waiting);
            assertThat(done.get("phase").asText()).as("%s", done).isEqualTo("committed");
            assertThat(done.at("/result/engines")).hasSize(1);
            JsonNode own = Json.tree(node.send("GET", "/v1/history", null).body())
                    .get("operations")
                    .valueStream()
                    .filter(row -> row.get("operation").asText().equals(waiting))
                    .findFirst()
                    .orElseThrow();
            assertThat(own.get("requester").asText()).isEqualTo("ann");
            assertThat(own.get("outcome").asText()).isEqualTo("committed");
        }
    }

    @Test
    void whatAWorkerHasHeardOfHasBegunWhateverTheLedgerSays() throws Exception {
        String waiting = leaveOneWaiting(QUICK + "limits { model.concurrent-updates = 1 }");
        // Still to be held up by the limit, if it were thought to wait.
        try (ApiNode node = ApiNode.startIn(data, QUICK + "limits { model.updates-per-hour = 1 }")) {
            node.addHost("h2", "v1", new Session(41, waiting, 1, Session.Phase.COMMITTED, null));
            JsonNode settled = end(node, waiting);
            assertThat(settled.get("state").asText()).as("%s", settled).isEqualTo("succeeded");
            assertThat(settled.get("phase").asText()).isEqualTo("committed");
            assertThat(status(node).get("queue")).isEmpty();
        }
    }

    private String leaveOneWaiting(String settings) throws Exception {
        try (ApiNode node = ApiNode.startIn(data, settings)) {
            node.addTwoHosts();
            publish(node, "m", "stuck");
            publish(node, "m", "v1");
            id(update(node, "m", "stuck", ",\"group\":\"h1\""));
            HttpResponse<String> other = update(node, "m", "v1", ",\"group\":\"h2\"");
            assertThat(other.statusCode()).isEqualTo(429);
            assertThat(error(other)).contains("concurrent-updates is 1");
            String waiting = id(update(node, "m", "v1", ",\"group\":\"h2\",\"wait\":true,\"requester\":\"ann\""));
            assertThat(operation(node, waiting).get("phase").asText()).isEqualTo("queued");
            return waiting;
        }
    }

    private static void publish(ApiNode node, String model, String version) throws Exception {
        String body = "{\"model\":\"%s\",\"version\":\"%s\",\"source\":\"/ckpt/%s/%s\"}"
                .formatted(model, version, model, version);
        succeed(node, node.send("POST", "/v1/checkpoints", body));
    }

    private static HttpResponse<String> update(ApiNode node, String model, String version, String more)
            throws Exception {
        return node.send(
                "POST", "/v1/updates", "{\"model\":\"" + model + "\",\"version\":\"" + version + "\"" + more + "}");
    }

    private static HttpResponse<String> cancel(ApiNode node, String id) throws Exception {
        return node.send("POST", "/v1/operations/" + id + "/cancel", "{\"requester\":\"ann\"}");
    }

    private static String id(HttpResponse<String> taken) {
        assertThat(taken.statusCode()).as(taken.body()).isEqualTo(202);
        return Json.tree(taken.body()).get("operation").asText();
    }

    private static void succeed(ApiNode node, HttpResponse<String> taken) throws Exception {
        JsonNode ended = end(node, id(taken));
        assertThat(ended.get("state").asText()).as("%s", ended).isEqualTo("succeeded");
    }

    private static JsonNode operation(ApiNode node, String id) throws Exception {
        return Json.tree(node.send("GET", "/v1/operations/" + id, null).body());
    }

    private static JsonNode end(ApiNode node, String id) throws Exception {
        return Json.tree(
                node.send("GET", "/v1/operations/" + id + "?waitMs=20000", null).body());
    }

    private static JsonNode status(ApiNode node) throws Exception {
        return Json.tree(node.send("GET", "/v1/status", null).body());
    }

    private static String error(HttpResponse<String> response) {
        return Json.tree(response.body()).get("error").asText();
    }
}
