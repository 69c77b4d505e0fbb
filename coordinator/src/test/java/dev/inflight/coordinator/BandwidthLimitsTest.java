package dev.inflight.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.FishingOutcomes;
import akka.actor.testkit.typed.javadsl.TestProbe;
import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.protocol.cluster.BandwidthLimit;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerCommand.Prepare;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which limits of bandwidth a real coordinator gives to workers, which name them to those that send to them. */
class BandwidthLimitsTest {
    private static final String SETTINGS = """
            update.recovery-window = 100 ms
            limits.models.m.bytes-per-second-per-host = 1 MiB
            limits.tenants.ann.bytes-per-second-per-host = 2 MiB
            """;
    private static final BandwidthLimit OF_MODEL = new BandwidthLimit("model m", 1 << 20);
    private static final BandwidthLimit OF_ANN = new BandwidthLimit("tenant ann", 2 << 20);

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path data;

    @Test
    void updatesInShadowModeAndJoinsCountForModelAndTenant() throws Exception {
        try (ApiNode node = ApiNode.startIn(data, SETTINGS)) {
            TestProbe<WorkerCommand> first = node.addWatchedHost("h1");
            node.await(status -> status.get("workers").size() == 1);
            publish(node, "v1");
            publish(node, "v2");

            run(node, "updates", "{\"model\":\"m\",\"version\":\"v1\",\"mode\":\"in-place\",\"requester\":\"ann\"}");
            assertThat(prepare(first).limits()).as("its engines stand still").isEmpty();
            run(node, "updates", "{\"model\":\"m\",\"version\":\"v1\",\"mode\":\"shadow\",\"requester\":\"bob\"}");
            assertThat(prepare(first).limits()).containsExactly(OF_MODEL);
            run(node, "updates", "{\"model\":\"m\",\"version\":\"v2\",\"mode\":\"shadow\",\"requester\":\"ann\"}");
            assertThat(prepare(first).limits()).containsExactly(OF_MODEL, OF_ANN);
            assertThat(prepare(node.addWatchedHost("h2")).limits()).containsExactly(OF_MODEL, OF_ANN);

            JsonNode limits =
                    Json.tree(node.send("GET", "/v1/status", null).body()).get("limits");
            assertThat(limits.findValuesAsText("bytesPerSecondPerHost")).containsExactly("1048576", "2097152", "null");
        }
        try (ApiNode node = ApiNode.startIn(data, SETTINGS)) {
            node.addHost("h1", "v2");
            Prepare join = prepare(node.addWatchedHost("h3"));
            assertThat(join.checkpoint().version()).isEqualTo("v2");
            assertThat(join.limits()).as("the ledger knows who brought it").containsExactly(OF_MODEL, OF_ANN);
        }
    }

    @Test
    void whoGoesBackIsNotHeldUp() throws Exception {
        try (ApiNode node = ApiNode.startIn(data, SETTINGS)) {
            TestProbe<WorkerCommand> worker = node.addWatchedHost("h1");
            node.await(status -> status.get("workers").size() == 1);
            publish(node, "v1");
            run(node, "rollbacks", "{\"model\":\"m\",\"to\":\"v1\",\"mode\":\"shadow\",\"requester\":\"ann\"}");
            assertThat(prepare(worker).limits()).isEmpty();
        }
    }

    private static void publish(ApiNode node, String version) throws Exception {
        run(
                node,
                "checkpoints",
                "{\"model\":\"m\",\"version\":\"%s\",\"source\":\"/ckpt/%s\"}".formatted(version, version));
    }

    private static void run(ApiNode node, String what, String body) throws Exception {
        HttpResponse<String> taken = node.send("POST", "/v1/" + what, body);
        assertThat(taken.statusCode()).as(taken.body()).isEqualTo(202);
        String id = Json.tree(taken.body()).get("operation").asText();
        String ended =
                node.send("GET", "/v1/operations/" + id + "?waitMs=20000", null).body();
        assertThat(Json.tree(ended).get("state").asText()).as(ended).isEqualTo("succeeded");
    }

    private static Prepare prepare(TestProbe<WorkerCommand> worker) {
        List<WorkerCommand> seen = worker.fishForMessage(
                Duration.ofSeconds(20),
                command ->
                        command instanceof Prepare ? FishingOutcomes.complete() : FishingOutcomes.continueAndIgnore());
        return (Prepare) seen.getLast();
    }
}
