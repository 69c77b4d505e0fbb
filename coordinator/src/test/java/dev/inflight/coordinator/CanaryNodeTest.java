package dev.inflight.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.typed.ActorRef;
import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpServer;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.protocol.cluster.WorkerCommand;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.http.HttpClient;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Canaries of a whole coordinator node, over HTTP; hosts and workers are fake. */
class CanaryNodeTest {
    private static final String UPDATE = "{\"model\":\"m\",\"version\":\"%s\"}";

    private final AtomicInteger health = new AtomicInteger(200);
    private HttpServer checked;
    private ApiNode node;
    private final List<ActorRef<WorkerCommand>> workers = new ArrayList<>();

    @BeforeEach
    void start() throws Exception {
        checked = HttpServer.create(new InetSocketAddress(InetAddress.ofLiteral("127.0.0.1"), 0), 0);
        checked.createContext("/", exchange -> {
            exchange.sendResponseHeaders(health.get(), -1);
            exchange.close();
        });
        checked.start();
        node = ApiNode.start(
                "",
                "update.recovery-window = 300 ms,"
                        + "canary { check-hosts = [\"127.0.0.1\"], check-interval = 50 ms, max-hold = 30 s }",
                HttpClient.newHttpClient());
        for (int i = 0; i < 4; i++) {
            workers.add(node.addHost("h" + i, null));
        }
        node.await(status ->
                status.path("workers").size() == 4 && status.path("hosts").size() == 4);
        for (String version : List.of("v1", "v2", "stuck")) {
            succeed(
                    "/v1/checkpoints",
                    "{\"model\":\"m\",\"version\":\"%s\",\"source\":\"/ckpt/%s\"}".formatted(version, version));
        }
        succeed("/v1/updates", UPDATE.formatted("v1"));
        node.await(status -> versions(status).equals(List.of("v1", "v1", "v1", "v1")));
    }

    @AfterEach
    void stop() throws Exception {
        node.close();
        checked.stop(0);
    }

    private String check() {
        return "http://127.0.0.1:" + checked.getAddress().getPort() + "/";
    }

    private static List<String> versions(JsonNode status) {
        return status.path("workers")
                .valueStream()
                .map(worker -> worker.at("/engine/version").asText())
                .toList();
    }

    private HttpResponse<String> post(String path, String body) throws Exception {
        return node.send("POST", path, body);
    }

    private String taken(String path, String body) throws Exception {
        HttpResponse<String> response = post(path, body);
        assertThat(response.statusCode()).as(response.body()).isEqualTo(202);
        return Json.tree(response.body()).get("operation").asText();
    }

    private JsonNode ended(String id) throws Exception {
        JsonNode operation = Json.tree(
                node.send("GET", "/v1/operations/" + id + "?waitMs=20000", null).body());
        assertThat(operation.path("state").asText()).as("%s", operation).isNotEqualTo("running");
        return operation;
    }

    private JsonNode succeed(String path, String body) throws Exception {
        JsonNode operation = ended(taken(path, body));
        assertThat(operation.path("state").asText()).as("%s", operation).isEqualTo("succeeded");
        return operation;
    }

    private String canary(String version, String more) throws Exception {
        return taken("/v1/updates", "{\"model\":\"m\",\"version\":\"" + version + "\"," + more + "}");
    }

    private void awaitPhase(String phase) {
        node.await(status -> status.at("/canaries/0/phase").asText().equals(phase));
    }

    @Test
    void isPromotedByHandOrWhenItsHoldEndsAndTheHistoryShowsIt() throws Exception {
        String id = canary("v2", "\"canary\":\"50%\",\"holdSeconds\":30,\"check\":\"" + check() + "\"");
        awaitPhase("holding");
        JsonNode status = node.await(all -> versions(all).equals(List.of("v2", "v2", "v1", "v1")));
        assertThat(status.at("/canaries/0/workers/1").asText()).isEqualTo("h1/0");
        assertThat(post("/v1/updates", UPDATE.formatted("v1")).body())
                .contains("canary " + id)
                .contains("promote or revert it first");
        // Who joins gets what the others have.
        node.addHost("h4", null);
        node.await(all -> versions(all).equals(List.of("v2", "v2", "v1", "v1", "v1")));

        taken("/v1/promotions", "{\"operation\":\"" + id + "\"}");
        JsonNode operation = ended(id);
        assertThat(operation.path("phase").asText()).as("%s", operation).isEqualTo("promoted");
        assertThat(operation.at("/result/detectedBy").asText()).isEqualTo("operator");
        assertThat(operation.at("/result/rollbackSeconds").isNull()).isTrue();
        node.await(all -> versions(all).equals(List.of("v2", "v2", "v2", "v2", "v2")));
        JsonNode promotion = ended(operation.at("/result/finalOperation").asText());
        assertThat(promotion.at("/result/engines"))
                .as("those that have it are left alone")
                .hasSize(3);

        JsonNode row =
                Json.tree(node.send("GET", "/v1/history?limit=1", null).body()).at("/operations/0");
        assertThat(row.path("kind").asText()).as("%s", row).isEqualTo("canary");
        assertThat(row.path("outcome").asText()).isEqualTo("promoted");
        assertThat(row.path("from").asText()).isEqualTo("v1");
        assertThat(row.path("detectedBy").asText()).isEqualTo("operator");
        assertThat(row.path("engines")).hasSize(2);

        succeed("/v1/rollbacks", "{\"model\":\"m\"}");
        node.await(all -> versions(all).equals(List.of("v1", "v1", "v1", "v1", "v1")));

        JsonNode held = ended(canary("v2", "\"canary\":\"1\",\"holdSeconds\":0.3,\"check\":\"" + check() + "\""));
        assertThat(held.path("phase").asText()).as("%s", held).isEqualTo("promoted");
        assertThat(held.at("/result/detectedBy").asText()).isEqualTo("hold");
        assertThat(held.at("/result/holdSeconds").asDouble()).isGreaterThanOrEqualTo(0.3);
        node.await(all -> versions(all).equals(List.of("v2", "v2", "v2", "v2", "v2")));
    }

    @Test
    void isRevertedByItsCheckItsEnginesOrByHand() throws Exception {
        String first = canary("v2", "\"canary\":\"1\",\"holdSeconds\":20,\"check\":\"" + check() + "\"");
        awaitPhase("holding");
        health.set(500);
        JsonNode byCheck = ended(first);
        assertThat(byCheck.at("/result/outcome").asText()).as("%s", byCheck).isEqualTo("reverted");
        assertThat(byCheck.at("/result/detectedBy").asText()).isEqualTo("http");
        assertThat(byCheck.path("error").asText()).contains("HTTP 500");
        assertThat(byCheck.at("/result/rollbackSeconds").isNumber()).isTrue();
        assertThat(byCheck.at("/result/stallMs").asDouble()).isEqualTo(1.5);
        node.await(all -> versions(all).equals(List.of("v1", "v1", "v1", "v1")));
        health.set(200);

        String second = canary("v2", "\"canary\":\"1\"");
        awaitPhase("holding");
        assertThat(taken("/v1/reverts", "{\"model\":\"m\",\"reason\":\"odd answers\"}"))
                .isEqualTo(second);
        JsonNode byHand = ended(second);
        assertThat(byHand.at("/result/detectedBy").asText()).isEqualTo("operator");
        assertThat(byHand.path("error").asText()).isEqualTo("odd answers");
        assertThat(taken("/v1/reverts", "{\"operation\":\"" + second + "\"}"))
                .as("said again")
                .isEqualTo(second);
        assertThat(post("/v1/promotions", "{\"operation\":\"" + second + "\"}").statusCode())
                .isEqualTo(409);
        node.await(all -> versions(all).equals(List.of("v1", "v1", "v1", "v1")));

        String third = canary("v2", "\"canary\":\"1\",\"holdSeconds\":20");
        awaitPhase("holding");
        node.stop(workers.getFirst());
        JsonNode byLoss = ended(third);
        assertThat(byLoss.at("/result/outcome").asText()).as("%s", byLoss).isEqualTo("reverted");
        assertThat(byLoss.at("/result/detectedBy").asText()).isEqualTo("engine");
        assertThat(byLoss.path("error").asText()).contains("worker h0/0 was lost");
        // It was out of touch, and joins what it should have.
        node.addHost("h0", "v2");
        node.await(all -> versions(all).equals(List.of("v1", "v1", "v1", "v1")));
    }

    @Test
    void goesOnUnderANewCoordinatorInItsHold() throws Exception {
        String promoted = canary("v2", "\"canary\":\"1\"");
        awaitPhase("holding");
        node.crashCoordinator();
        node.await(all -> all.at("/canaries/0/operation").asText().equals(promoted)
                && all.path("workers").size() == 4);
        assertThat(post("/v1/updates", UPDATE.formatted("v1")).statusCode()).isEqualTo(409);
        node.await(all -> {
            try {
                return post("/v1/promotions", "{\"operation\":\"" + promoted + "\"}")
                                .statusCode()
                        == 202;
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        });
        JsonNode operation = ended(promoted);
        assertThat(operation.path("phase").asText()).as("%s", operation).isEqualTo("promoted");
        assertThat(operation.at("/result/detectedBy").asText()).isEqualTo("operator");
        node.await(all -> versions(all).equals(List.of("v2", "v2", "v2", "v2")));

        String reverted = canary("v1", "\"canary\":\"1\",\"holdSeconds\":20,\"check\":\"" + check() + "\"");
        awaitPhase("holding");
        node.crashCoordinator();
        health.set(500);
        JsonNode back = ended(reverted);
        assertThat(back.at("/result/detectedBy").asText()).as("%s", back).isEqualTo("http");
        node.await(all -> versions(all).equals(List.of("v2", "v2", "v2", "v2")));

        // Ended before this coordinator, which knows of it from the ledger alone.
        assertThat(taken("/v1/promotions", "{\"operation\":\"" + promoted + "\"}"))
                .as("said again")
                .isEqualTo(promoted);
        HttpResponse<String> opposite = post("/v1/reverts", "{\"operation\":\"" + promoted + "\"}");
        assertThat(opposite.statusCode()).as(opposite.body()).isEqualTo(409);
        assertThat(opposite.body()).contains("canary " + promoted + " has ended: it was promoted");
        assertThat(post("/v1/promotions", "{\"operation\":\"canary-none\"}").statusCode())
                .isEqualTo(404);
    }

    @Test
    void refusesWhatMakesNoSense() throws Exception {
        assertThat(post("/v1/updates", "{\"model\":\"m\",\"version\":\"v1\",\"canary\":\"1\"}")
                        .body())
                .contains("serves version v1 already");
        assertThat(post("/v1/updates", "{\"model\":\"m\",\"version\":\"v2\",\"canary\":\"1\",\"select\":\"tenant=a\"}")
                        .body())
                .contains("in group tenant=a");
        assertThat(post("/v1/updates", "{\"model\":\"m\",\"version\":\"v2\",\"select\":\"tenant=a\"}")
                        .body())
                .contains("in group tenant=a");
        assertThat(post("/v1/verifications", "{\"model\":\"m\",\"select\":\"tenant=a\"}")
                        .body())
                .contains("in group tenant=a");
        for (String wrong : List.of(
                "\"select\":\"h1\"",
                "\"holdSeconds\":3",
                "\"canary\":\"0\"",
                "\"canary\":\"1\",\"holdSeconds\":-1",
                "\"canary\":\"1\",\"holdSeconds\":31",
                "\"canary\":\"1\",\"check\":\"http://evil/\"",
                "\"canary\":\"1\",\"check\":\"command:reboot\"")) {
            HttpResponse<String> response = post("/v1/updates", "{\"model\":\"m\",\"version\":\"v2\"," + wrong + "}");
            assertThat(response.statusCode())
                    .as("%s: %s", wrong, response.body())
                    .isEqualTo(400);
        }
        assertThat(post("/v1/promotions", "{}").statusCode()).isEqualTo(400);
        assertThat(post("/v1/promotions", "{\"model\":\"m\"}").statusCode()).isEqualTo(404);
    }
}
