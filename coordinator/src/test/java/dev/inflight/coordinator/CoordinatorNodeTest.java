package dev.inflight.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.PoisonPill;
import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.FishingOutcomes;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import akka.actor.typed.javadsl.Adapter;
import akka.actor.typed.receptionist.Receptionist;
import akka.cluster.typed.Cluster;
import akka.cluster.typed.Join;
import com.fasterxml.jackson.databind.JsonNode;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import dev.inflight.coordinator.metrics.CoordinatorMetrics;
import dev.inflight.coordinator.metrics.Exposition;
import dev.inflight.coordinator.operation.CoordinatorQuery;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent.Held;
import dev.inflight.protocol.cluster.HostStoreEvent.HostState;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.TrainerCommand;
import dev.inflight.protocol.cluster.Wire;
import dev.inflight.protocol.cluster.WorkerEvent.Session;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A one-node cluster with the real coordinator and HTTP API, and fake hosts and workers. */
class CoordinatorNodeTest {
    private static final Config CONFIG = ConfigFactory.parseString(
                    "inflight.coordinator.update.recovery-window = 100 ms")
            .withFallback(ApiNode.CONFIG);

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path dataDirectory;

    private ActorTestKit kit = ActorTestKit.create("inflight", CONFIG);
    private final HttpClient client = HttpClient.newHttpClient();
    private @Nullable URI uri;

    @AfterEach
    void stop() {
        client.close();
        kit.shutdownTestKit();
    }

    @Test
    void publishesUpdatesAndVerifies() throws Exception {
        startWithTwoHosts();
        JsonNode published = succeed("/v1/checkpoints", publish("v1", "/ckpt/v1"));
        assertThat(published.at("/result/digest").asText()).isEqualTo("digest of /ckpt/v1");
        assertThat(published.at("/result/hosts")).hasSize(2);
        assertThat(published.at("/result/inPlace").asBoolean()).isTrue();

        JsonNode updated = succeed("/v1/updates", "{\"model\":\"m\",\"version\":\"v1\"}");
        assertThat(updated.at("/result/outcome").asText()).isEqualTo("committed");
        assertThat(updated.at("/result/mode").asText()).isEqualTo("shadow");
        assertThat(updated.at("/result/engines")).hasSize(2);

        JsonNode verified = succeed("/v1/verifications", "{\"model\":\"m\"}");
        assertThat(verified.at("/result/verified").asBoolean()).isTrue();
        assertThat(verified.at("/result/version").asText()).isEqualTo("v1");

        JsonNode status =
                awaitStatus(all -> all.at("/workers/1/engine/version").asText().equals("v1"));
        assertThat(status.at("/cluster/members")).hasSize(1);
        assertThat(status.at("/models/0/versions/0/version").asText()).isEqualTo("v1");
        assertThat(status.at("/hosts/0/checkpoints/0/shards").asInt()).isEqualTo(1);
        assertThat(status.at("/lastUpdate/to").asText()).isEqualTo("v1");
        assertThat(status.get("operation").isNull()).isTrue();
    }

    @Test
    void lendsArenasOfTheHostThatSharesTheTrainersMemoryAndPublishesFromThem() throws Exception {
        startWithTwoHosts();
        HttpResponse<String> lent = post("/v1/arenas", "{\"bytes\":1000,\"machine\":\"machine of h2\"}");
        assertThat(lent.statusCode()).as(lent.body()).isEqualTo(202);
        JsonNode lease = Json.tree(lent.body());
        assertThat(lease.get("host").asText()).isEqualTo("h2");
        assertThat(lease.get("state").asText()).isEqualTo("preparing");

        String path = "/v1/arenas/" + lease.get("lease").asText();
        JsonNode ready = get(path + "?waitMs=10000");
        assertThat(ready.get("state").asText()).isEqualTo("ready");
        assertThat(ready.get("path").asText()).isEqualTo("/dev/shm/arena");
        assertThat(ready.get("expiresInSeconds").asDouble()).isEqualTo(600);

        JsonNode published =
                succeed("/v1/checkpoints", publish("v1", lease.get("source").asText()));
        assertThat(published.at("/result/hosts")).hasSize(2);
        assertThat(published.at("/result/digest").asText()).isEqualTo("digest of arena:h2-0123456789ab");
        assertThat(Json.tree(post(path + "/give-back", "{}").body())
                        .get("state")
                        .asText())
                .isEqualTo("given-back");
    }

    @Test
    void publishingTheSameBytesAgainSucceedsAndOtherBytesConflict() throws Exception {
        startWithTwoHosts();
        succeed("/v1/checkpoints", publish("v1", "/ckpt/v1"));
        assertThat(succeed("/v1/checkpoints", publish("v1", "/ckpt/v1"))
                        .at("/result/digest")
                        .asText())
                .isEqualTo("digest of /ckpt/v1");
        JsonNode other = end("/v1/checkpoints", publish("v1", "/ckpt/other"));
        assertThat(other.get("state").asText()).isEqualTo("failed");
        assertThat(other.get("error").asText()).contains("digest of /ckpt/v1", "digest of /ckpt/other");
        assertThat(get("/v1/status").at("/models/0/versions/0/digest").asText()).isEqualTo("digest of /ckpt/v1");
    }

    @Test
    void keepsTheNewVersionAndTheFormerOne() throws Exception {
        startWithTwoHosts();
        for (String version : List.of("v1", "v2", "v3")) {
            succeed("/v1/checkpoints", publish(version, "/ckpt/" + version));
            succeed("/v1/updates", "{\"model\":\"m\",\"version\":\"" + version + "\"}");
        }
        JsonNode status = awaitStatus(all -> all.at("/hosts/0/checkpoints").size() == 2
                && all.at("/hosts/1/checkpoints").size() == 2);
        assertThat(status.at("/models/0/versions").findValuesAsText("version")).containsExactly("v2", "v3");
    }

    @Test
    void rollsBackToTheVersionBeforeAndSaysWhyIfItCanNot() throws Exception {
        startWithTwoHosts();
        HttpResponse<String> tooEarly = post("/v1/rollbacks", "{\"model\":\"m\"}");
        assertThat(tooEarly.statusCode()).isEqualTo(404);
        assertThat(tooEarly.body()).contains("no version is known");
        for (String version : List.of("v1", "v2", "v3")) {
            succeed("/v1/checkpoints", publish(version, "/ckpt/" + version));
            succeed("/v1/updates", "{\"model\":\"m\",\"version\":\"" + version + "\"}");
        }
        JsonNode rolledBack = succeed("/v1/rollbacks", "{\"model\":\"m\"}");
        assertThat(rolledBack.get("kind").asText()).isEqualTo("rollback");
        assertThat(rolledBack.at("/result/kind").asText()).isEqualTo("rollback");
        assertThat(rolledBack.at("/result/from").asText()).isEqualTo("v3");
        assertThat(rolledBack.at("/result/to").asText()).isEqualTo("v2");
        HttpResponse<String> dropped = post("/v1/rollbacks", "{\"model\":\"m\"}");
        assertThat(dropped.statusCode()).isEqualTo(404);
        assertThat(dropped.body()).contains("version v1", "keep-versions");
        JsonNode forth = succeed("/v1/rollbacks", "{\"model\":\"m\",\"to\":\"v3\",\"mode\":\"in-place\"}");
        assertThat(forth.at("/result/to").asText()).isEqualTo("v3");
        assertThat(forth.at("/result/mode").asText()).isEqualTo("in-place");
    }

    @Test
    void freesTheFormerVersionsMemoryIfItIsNeverKeptAndGoesBackToItAllTheSame() throws Exception {
        kit.spawn(FakeHost.create("h1", List.of()));
        kit.spawn(FakeWorker.create("h1/0", null, null));
        start("inflight.coordinator.keep-previous = never");
        awaitStatus(all -> all.at("/workers").size() == 1 && all.at("/hosts").size() == 1);
        for (String version : List.of("v1", "v2")) {
            succeed("/v1/checkpoints", publish(version, "/ckpt/" + version));
            succeed("/v1/updates", "{\"model\":\"m\",\"version\":\"" + version + "\"}");
        }
        JsonNode status = awaitStatus(all -> all.at("/hosts/0/checkpoints").size() == 1);
        assertThat(status.at("/hosts/0/checkpoints/0/version").asText()).isEqualTo("v2");
        assertThat(status.at("/models/0/versions/0/warm").asBoolean()).isFalse();
        assertThat(status.at("/models/0/versions/1/warm").asBoolean()).isTrue();
        assertThat(succeed("/v1/rollbacks", "{\"model\":\"m\"}")
                        .at("/result/to")
                        .asText())
                .isEqualTo("v1");
    }

    @Test
    void runsOneUpdateOfAModelAtATime() throws Exception {
        startWithTwoHosts();
        succeed("/v1/checkpoints", publish("stuck", "/ckpt/stuck"));
        String running = Json.tree(post("/v1/updates", "{\"model\":\"m\",\"version\":\"stuck\"}")
                        .body())
                .get("operation")
                .asText();
        HttpResponse<String> second = post("/v1/updates", "{\"model\":\"m\",\"version\":\"stuck\"}");
        assertThat(second.statusCode()).isEqualTo(409);
        assertThat(second.body()).contains(running);
    }

    @Test
    void aRepeatedKeyMeansTheSameOperationAndANewCoordinatorRemembersIt() throws Exception {
        startWithTwoHosts();
        succeed("/v1/checkpoints", publish("v1", "/ckpt/v1"));
        String update = "{\"model\":\"m\",\"version\":\"v1\",\"requester\":\"ann\",\"idempotencyKey\":\"k1\"}";
        JsonNode first = succeed("/v1/updates", update);
        JsonNode again = succeed("/v1/updates", update.replace("ann", "bob"));
        assertThat(again.get("id")).isEqualTo(first.get("id"));
        HttpResponse<String> other = post("/v1/verifications", "{\"model\":\"m\",\"idempotencyKey\":\"k1\"}");
        assertThat(other.statusCode()).isEqualTo(409);
        assertThat(other.body()).contains(first.get("id").asText());
        JsonNode history = get("/v1/history?model=m&limit=1");
        assertThat(history.at("/operations/0/operation")).isEqualTo(first.get("id"));
        assertThat(history.at("/operations/0/requester").asText()).isEqualTo("ann");
        assertThat(history.at("/operations/0/outcome").asText()).isEqualTo("committed");
        assertThat(history.at("/operations/0/engines")).hasSize(2);
        assertThat(get("/v1/history?before=" + history.get("next").asText())
                        .at("/operations/0/kind")
                        .asText())
                .isEqualTo("publish");
        assertThat(get("/v1/history?since=yesterday").get("error").asText()).contains("since: must be");

        kit.shutdownTestKit();
        kit = ActorTestKit.create("inflight", CONFIG);
        // All that the hosts held is gone, and an engine has no weights.
        startWithTwoHosts();
        assertThat(succeed("/v1/updates", update).get("id")).isEqualTo(first.get("id"));
        JsonNode remembered = get("/v1/operations/" + first.get("id").asText());
        assertThat(remembered.at("/result/epoch")).isEqualTo(first.at("/result/epoch"));
        assertThat(get("/v1/history").get("operations")).hasSizeGreaterThanOrEqualTo(2);
        assertThat(get("/v1/status").at("/models/0/versions/0/source").asText()).isEqualTo("/ckpt/v1");
        awaitStatus(all -> all.at("/workers/0/engine/version").asText().equals("v1")
                && all.at("/workers/1/engine/version").asText().equals("v1"));
        HttpResponse<String> lines = send(request("/v1/history?model=m")
                .header("Accept", "application/x-ndjson")
                .GET()
                .build());
        assertThat(lines.body().lines().map(line -> Json.tree(line).get("model").asText()))
                .hasSizeGreaterThanOrEqualTo(2)
                .containsOnly("m");
    }

    @Test
    void anOperationWhoseCoordinatorWasLostIsSettled() throws Exception {
        startWithTwoHosts();
        succeed("/v1/checkpoints", publish("stuck", "/ckpt/stuck"));
        String id = Json.tree(post("/v1/updates", "{\"model\":\"m\",\"version\":\"stuck\",\"idempotencyKey\":\"k\"}")
                        .body())
                .get("operation")
                .asText();
        kit.shutdownTestKit();
        // As if the coordinator had been killed: it saw its workers stop.
        Path ledger = dataDirectory.resolve("ledger.jsonl");
        List<String> lines = Files.readAllLines(ledger);
        lines.removeIf(line -> line.contains("\"operation-ended\"") && line.contains(id));
        Files.write(ledger, lines);
        kit = ActorTestKit.create("inflight", CONFIG);
        startWithTwoHosts();
        JsonNode ended = get("/v1/operations/" + id + "?waitMs=20000");
        assertThat(ended.get("phase").asText()).as("%s", ended).isEqualTo("unknown");
        assertThat(ended.get("error").asText()).contains("its coordinator was lost");
    }

    @Test
    void joinsDoNotUndoWhatALostCoordinatorCommitted() throws Exception {
        startWithTwoHosts();
        for (String version : List.of("v1", "v2")) {
            succeed("/v1/checkpoints", publish(version, "/ckpt/" + version));
        }
        succeed("/v1/updates", "{\"model\":\"m\",\"version\":\"v1\"}");
        String id = succeed("/v1/updates", "{\"model\":\"m\",\"version\":\"v2\"}")
                .get("id")
                .asText();
        kit.shutdownTestKit();
        // As if the coordinator had been killed after its workers had committed, and before it could say so.
        Path ledger = dataDirectory.resolve("ledger.jsonl");
        List<String> lines = Files.readAllLines(ledger);
        assertThat(lines.removeIf(line -> line.contains("\"operation-ended\"") && line.contains(id)))
                .isTrue();
        Files.write(ledger, lines);
        kit = ActorTestKit.create("inflight", CONFIG);
        for (String host : List.of("h1", "h2")) {
            kit.spawn(FakeHost.create(host, List.of()));
            kit.spawn(FakeWorker.create(host + "/0", "v2", new Session(41, id, 2, Session.Phase.COMMITTED, "v1")));
        }
        start();
        JsonNode ended = get("/v1/operations/" + id + "?waitMs=20000");
        assertThat(ended.get("phase").asText()).as("%s", ended).isEqualTo("committed");
        awaitStatus(all -> all.get("workers")
                .valueStream()
                .allMatch(worker -> worker.at("/engine/version").asText().equals("v2")));
        assertThat(get("/v1/history?model=m")
                        .get("operations")
                        .valueStream()
                        .map(row -> row.get("kind").asText()))
                .doesNotContain("join");
    }

    @Test
    void aJvmTrainerSendsTheSameCommands() throws Exception {
        startWithTwoHosts();
        ActorRef<TrainerCommand> trainer = kit.spawn(Trainer.create());
        TestProbe<OperationReply> replies = kit.createTestProbe(OperationReply.class);
        trainer.tell(new TrainerCommand.Publish("m", "v1", "/ckpt/v1", replies.getRef()));
        assertThat(replies.expectMessageClass(OperationReply.Operation.class).kind())
                .isEqualTo("publish");
    }

    @Test
    void learnsVersionsFromHostsAndFinishesWhatAWorkerCommitted() throws Exception {
        Held held = TestFleet.held(TestFleet.checkpoint("v1", 1), 0, 0);
        kit.spawn(FakeHost.create("h1", List.of(held)));
        kit.spawn(FakeWorker.create("h1/0", "v1", new Session(41, "update-lost", 2, Session.Phase.COMMITTED, null)));
        kit.spawn(FakeWorker.create("h1/1", "v0", new Session(41, "update-lost", 2, Session.Phase.STAGED, null)));
        start();
        JsonNode status = awaitStatus(all -> all.get("lastUpdate").has("outcome"));
        assertThat(status.at("/lastUpdate/outcome").asText()).isEqualTo("committed");
        assertThat(status.at("/lastUpdate/epoch").asLong()).isEqualTo(41);
        assertThat(get("/v1/operations/update-lost").get("state").asText()).isEqualTo("succeeded");
        JsonNode updated = succeed("/v1/updates", "{\"model\":\"m\",\"version\":\"v1\"}");
        assertThat(updated.at("/result/epoch").asLong()).isGreaterThan(41);
    }

    @Test
    void rollsForwardAnUpdateWhoseCommitWasOrdered() throws Exception {
        kit.spawn(FakeHost.create("h1", List.of()));
        kit.spawn(FakeWorker.create("h1/0", "v0", new Session(41, "update-lost", 2, Session.Phase.COMMITTING, null)));
        kit.spawn(FakeWorker.create("h1/1", "v0", new Session(41, "update-lost", 2, Session.Phase.STAGED, null)));
        start();
        JsonNode status = awaitStatus(all -> all.get("lastUpdate").has("outcome"));
        assertThat(status.at("/lastUpdate/outcome").asText()).isEqualTo("committed");
    }

    @Test
    void waitsNoLongerForReportsThanUntilAllWorkersOfAnUpdateHaveReported() throws Exception {
        kit.spawn(FakeHost.create("h1", List.of()));
        kit.spawn(FakeWorker.create("h1/0", "v1", new Session(41, "update-lost", 2, Session.Phase.STAGED, null)));
        start("inflight.coordinator.update.recovery-window = 1 h");
        awaitStatus(all -> all.get("workers").size() == 1);
        // The last one to report shows that the commit point was passed.
        kit.spawn(FakeWorker.create("h1/1", "v1", new Session(41, "update-lost", 2, Session.Phase.COMMITTING, null)));
        JsonNode status = awaitStatus(all -> all.get("lastUpdate").has("outcome"));
        assertThat(status.at("/lastUpdate/outcome").asText()).isEqualTo("committed");
    }

    @Test
    void anEngineThatAttachesJoinsWithoutBeingAskedTo() throws Exception {
        startWithTwoHosts();
        succeed("/v1/checkpoints", publish("v1", "/ckpt/v1"));
        succeed("/v1/updates", "{\"model\":\"m\",\"version\":\"v1\"}");
        kit.spawn(FakeHost.create("h3", List.of()));
        kit.spawn(FakeWorker.create("h3/0", null, null));
        JsonNode status =
                awaitStatus(all -> all.at("/workers/2/engine/version").asText().equals("v1"));
        assertThat(status.at("/workers/2/engine/routable").asBoolean()).isTrue();
        assertThat(status.at("/lastUpdate/strategy").asText())
                .as("a join is no update")
                .isEqualTo("broadcast");
        assertThat(status.at("/workers/2/engine/join").isNull())
                .as("%s", status)
                .isTrue();
    }

    @Test
    void prometheusSeesUpdatesJoinsAbortsAndTheFleet() throws Exception {
        kit.spawn(FakeHost.create("h1", List.of()));
        kit.spawn(FakeWorker.create("h1/0", null, null));
        start("inflight.coordinator.update.stall-timeout = 500 ms");
        awaitStatus(all -> all.at("/workers").size() == 1 && all.at("/hosts").size() == 1);
        Exposition before = scrape();
        assertThat(before.value("inflight_coordinator_leader")).isEqualTo(1);
        assertThat(before.value("inflight_hosts")).isEqualTo(1);
        assertThat(before.value("inflight_workers")).isEqualTo(1);
        assertThat(before.value("inflight_engines{model=\"m\",state=\"pending_weights\"}"))
                .isEqualTo(1);
        assertThat(before.has("inflight_update_seconds_count{")).isFalse();
        assertThat(before.has("inflight_operations_total{kind=\"update\",model=\"m\",outcome=\"aborted\"}"))
                .isTrue();

        succeed("/v1/checkpoints", publish("v1", "/ckpt/v1"));
        succeed("/v1/updates", "{\"model\":\"m\",\"version\":\"v1\"}");
        kit.spawn(FakeHost.create("h2", List.of()));
        kit.spawn(FakeWorker.create("h2/0", null, null));
        awaitStatus(all -> all.at("/workers/1/engine/version").asText().equals("v1"));
        succeed("/v1/checkpoints", publish("stuck", "/ckpt/stuck"));
        JsonNode aborted = end("/v1/updates", "{\"model\":\"m\",\"version\":\"stuck\"}");
        assertThat(aborted.get("phase").asText()).as("%s", aborted).isEqualTo("aborted");

        Exposition after = scrape();
        assertThat(after.value("inflight_operations_total{kind=\"publish\",model=\"m\",outcome=\"succeeded\"}"))
                .isEqualTo(2);
        assertThat(after.value("inflight_operations_total{kind=\"join\",model=\"m\",outcome=\"committed\"}"))
                .isEqualTo(1);
        assertThat(after.value("inflight_operation_failures_total{cause=\"timeout\",kind=\"update\",model=\"m\"}"))
                .as("%s", aborted)
                .isEqualTo(1);
        assertThat(after.value("inflight_update_seconds_count"
                        + "{kind=\"update\",mode=\"shadow\",model=\"m\",outcome=\"committed\"}"))
                .isEqualTo(1);
        assertThat(after.value("inflight_engine_stall_seconds_count{kind=\"update\",mode=\"shadow\",model=\"m\"}"))
                .isEqualTo(1);
        assertThat(after.value("inflight_operations_running{kind=\"update\"}")).isZero();
        assertThat(after.value("inflight_engines{model=\"m\",state=\"serving\"}"))
                .isEqualTo(2);
        assertThat(after.value("inflight_engine_versions{model=\"m\"}")).isEqualTo(1);
    }

    private Exposition scrape() throws Exception {
        HttpResponse<String> answer = send(request("/metrics").GET().build());
        assertThat(answer.headers().firstValue("Content-Type")).hasValue("text/plain; version=0.0.4; charset=UTF-8");
        return Exposition.read(answer.body());
    }

    @Test
    void anUpdateBreaksOffAJoinAndTakesItsEngineAlong() throws Exception {
        startWithTwoHosts();
        succeed("/v1/checkpoints", publish("v1", "/ckpt/v1"));
        succeed("/v1/updates", "{\"model\":\"m\",\"version\":\"v1\"}");
        kit.spawn(FakeHost.create("h3", List.of()));
        kit.spawn(FakeWorker.thatDoesNotStage("h3/0", "v1"));
        JsonNode joining = awaitStatus(
                all -> all.at("/workers/2/engine/join/phase").asText().equals("streaming"));
        assertThat(joining.at("/workers/2/engine/routable").asBoolean()).isFalse();
        String join = joining.at("/workers/2/engine/join/operation").asText();
        assertThat(get("/v1/operations/" + join).get("kind").asText()).isEqualTo("join");
        assertThat(post("/v1/verifications", "{\"model\":\"m\"}").statusCode()).isEqualTo(409);

        succeed("/v1/checkpoints", publish("v2", "/ckpt/v2"));
        JsonNode updated = succeed("/v1/updates", "{\"model\":\"m\",\"version\":\"v2\"}");
        assertThat(updated.at("/result/engines")).hasSize(3);
        assertThat(get("/v1/operations/" + join).get("error").asText()).contains("an update to version v2");
        awaitStatus(all -> all.at("/workers/2/engine/version").asText().equals("v2"));
    }

    @Test
    void aNewCoordinatorBringsEnginesToWhatTheOthersServe() throws Exception {
        kit.spawn(FakeHost.create("h1", List.of(TestFleet.held(TestFleet.checkpoint("v1", 1), 0, 0))));
        kit.spawn(FakeWorker.create("h1/0", "v1", null));
        kit.spawn(FakeWorker.create("h1/1", null, null));
        start();
        JsonNode status =
                awaitStatus(all -> all.at("/workers/1/engine/version").asText().equals("v1"));
        assertThat(status.get("lastUpdate").isNull()).isTrue();
    }

    @Test
    void startsAgainAndSubscribesAgainWhenItsMonitorDies() {
        Cluster cluster = Cluster.get(kit.system());
        cluster.manager().tell(Join.create(cluster.selfMember().address()));
        TestProbe<HostStoreCommand> host = kit.createTestProbe(HostStoreCommand.class);
        kit.system().receptionist().tell(Receptionist.register(HostStoreCommand.KEY, host.getRef()));
        kit.spawn(CoordinatorNode.replica(settings("")));
        ActorRef<Wire> coordinator = kit.spawn(CoordinatorNode.supervised(settings(""), new CoordinatorMetrics()));
        HostStoreCommand.Subscribe first = host.expectMessageClass(HostStoreCommand.Subscribe.class);
        first.subscriber().tell(new HostState("h1", "h1:1", List.of()));
        Adapter.toClassic(kit.system())
                .actorSelection(coordinator.path().child(UpdateCoordinator.FLEET_MONITOR))
                .tell(PoisonPill.getInstance(), akka.actor.ActorRef.noSender());
        HostStoreCommand.Subscribe second = (HostStoreCommand.Subscribe) host.fishForMessage(
                        Duration.ofSeconds(10),
                        command -> command instanceof HostStoreCommand.Subscribe subscribe
                                        && !subscribe.subscriber().equals(first.subscriber())
                                ? FishingOutcomes.complete()
                                : FishingOutcomes.continueAndIgnore())
                .getLast();
        second.subscriber().tell(new HostState("h1", "h1:1", List.of()));
        TestProbe<CoordinatorQuery.Status> status = kit.createTestProbe(CoordinatorQuery.Status.class);
        status.awaitAssert(() -> {
            coordinator.tell(new CoordinatorQuery.GetStatus(status.getRef()));
            String json =
                    status.expectMessageClass(CoordinatorQuery.Status.class).json();
            assertThat(Json.tree(json).get("hosts")).hasSize(1);
            return json;
        });
    }

    @Test
    void abortsAnUnfinishedUpdateThatNobodyCommitted() throws Exception {
        kit.spawn(FakeHost.create("h1", List.of()));
        kit.spawn(FakeWorker.create("h1/0", "v1", new Session(41, "update-lost", 2, Session.Phase.STAGED, null)));
        start();
        JsonNode status = awaitStatus(all -> all.get("lastUpdate").has("outcome"));
        assertThat(status.at("/lastUpdate/outcome").asText()).isEqualTo("aborted");
        assertThat(status.at("/workers/0/engine/version").asText()).isEqualTo("v1");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "/v1/checkpoints   | {\"model\":\"m\",\"version\":\"v1\",\"source\":\"/missing\"}     | 404 | /missing: no such file",
                "/v1/checkpoints   | {\"model\":\"m\",\"version\":\"v1\",\"source\":\"/broken\"}      | 400 | bad header",
                "/v1/checkpoints   | {\"model\":\"m\",\"version\":\"v1\",\"sauce\":\"/x\"}            | 400 | sauce",
                "/v1/checkpoints   | {\"model\":\"m\",\"version\":\"v1\"}                             | 400 | source: is missing",
                "/v1/checkpoints   | {\"model\":\" \",\"version\":\"v1\",\"source\":\"/x\"}           | 400 | model: must not be empty",
                "/v1/checkpoints   | {\"model\":7,\"version\":\"v1\",\"source\":\"/x\"}               | 400 | model: has the wrong type",
                "/v1/checkpoints   | {\"model\":                                                      | 400 | line 1, column",
                "/v1/checkpoints   | []                                                               | 400 | one JSON object",
                "/v1/checkpoints   | null                                                             | 400 | JSON object",
                "/v1/checkpoints   | ``                                                               | 400 | JSON object",
                "/v1/updates       | {\"model\":\"m\",\"version\":\"v9\"}                             | 404 | v9",
                "/v1/updates       | {\"model\":\"m\",\"version\":\"v9\",\"mode\":\"fast\"}           | 400 | mode: must be",
                "/v1/updates       | {\"model\":\"m\",\"version\":\"v9\",\"strategy\":\"p3p\"}        | 400 | strategy: must be",
                "/v1/updates       | {\"model\":\"m\",\"version\":\"v9\",\"waitTimeoutMs\":5}             | 400 | waitTimeoutMs: is for updates that wait",
                "/v1/arenas        | {\"host\":\"h1\"}                                               | 400 | bytes: is missing",
                "/v1/arenas        | {\"bytes\":\"many\",\"host\":\"h1\"}                              | 400 | bytes: has the wrong type",
                "/v1/arenas        | {\"bytes\":9}                                                     | 400 | machine: is missing",
                "/v1/arenas        | {\"bytes\":9,\"machine\":\"other\"}                               | 404 | machine: no live worker host",
                "/v1/arenas        | {\"bytes\":9,\"host\":\"h9\"}                                     | 404 | host: no live worker host is named h9",
                "/v1/arenas/h9-0123456789ab/give-back | {}                                          | 404 | lease: no live worker host",
                "/v1/arenas/..%2F..%2Fetc/give-back   | {}                                          | 404 | lease: no live worker host",
                "/v1/checkpoints   | {\"model\":\"m\",\"version\":\"v1\",\"source\":\"arena:h9-0123456789ab\"} | 404 | source: no live worker host is named h9",
                "/v1/verifications | {\"model\":\"other\"}                                            | 404 | other",
                "/v1/nothing       | {}                                                               | 404 | there is no /v1/nothing",
                "/v1/status        | {}                                                               | 405 | POST is not allowed here, only GET",
            })
    void refusesBadRequests(String path, String body, int status, String message) throws Exception {
        startWithTwoHosts();
        HttpResponse<String> response = post(path, body);
        assertThat(response.body()).contains(message);
        assertThat(response.statusCode()).isEqualTo(status);
        assertThat(Json.tree(response.body()).get("error").asText()).isNotBlank();
    }

    @Test
    void refusesLargeBodiesUnknownOperationsAndBadWaits() throws Exception {
        start();
        assertThat(post("/v1/updates", "{\"model\":\"" + "x".repeat(70_000) + "\"}")
                        .statusCode())
                .isEqualTo(413);
        assertThat(send(request("/v1/operations/none").GET().build()).statusCode())
                .isEqualTo(404);
        assertThat(send(request("/v1/operations/none?waitMs=30001").GET().build())
                        .body())
                .contains("waitMs");
        assertThat(post("/v1/checkpoints", publish("v1", "/x")).statusCode()).isEqualTo(503);
        assertThat(get("/healthz").get("status").asText()).isEqualTo("ok");
    }

    @ParameterizedTest
    @CsvSource({
        "text/plain, 415",
        "application/x-www-form-urlencoded, 415",
        "application/json; charset=utf-8, 404",
        "APPLICATION/JSON, 404"
    })
    void takesOnlyJson(String contentType, int status) throws Exception {
        startWithTwoHosts();
        HttpResponse<String> response = send(request("/v1/updates")
                .header("Content-Type", contentType)
                .POST(BodyPublishers.ofString("{\"model\":\"m\",\"version\":\"v9\"}"))
                .build());
        assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
        assertThat(Json.tree(response.body()).get("error").asText()).isNotBlank();
    }

    private void startWithTwoHosts() throws Exception {
        kit.spawn(FakeHost.create("h1", List.of()));
        kit.spawn(FakeHost.create("h2", List.of()));
        kit.spawn(FakeWorker.create("h1/0", null, null));
        kit.spawn(FakeWorker.create("h2/0", null, null));
        start();
        awaitStatus(all -> all.get("workers").size() == 2 && all.get("hosts").size() == 2);
    }

    private void start() throws Exception {
        start("");
    }

    /** @param overrides of the coordinator's settings */
    private void start(String overrides) throws Exception {
        Cluster cluster = Cluster.get(kit.system());
        cluster.manager().tell(Join.create(cluster.selfMember().address()));
        uri = CoordinatorNode.start(kit.system(), settings(overrides))
                .toCompletableFuture()
                .get(20, TimeUnit.SECONDS)
                .httpUri();
    }

    private CoordinatorSettings settings(String overrides) {
        return CoordinatorSettings.from(ConfigFactory.parseString(overrides)
                .withFallback(ConfigFactory.parseMap(Map.of("inflight.coordinator.data-dir", dataDirectory.toString())))
                .withFallback(CONFIG));
    }

    private JsonNode awaitStatus(Predicate<JsonNode> condition) {
        return kit.createTestProbe().awaitAssert(Duration.ofSeconds(15), Duration.ofMillis(50), () -> {
            JsonNode status = get("/v1/status");
            assertThat(condition.test(status)).as(status.toString()).isTrue();
            return status;
        });
    }

    private JsonNode succeed(String path, String body) throws Exception {
        JsonNode operation = end(path, body);
        assertThat(operation.get("state").asText()).as(operation.toString()).isEqualTo("succeeded");
        return operation;
    }

    private JsonNode end(String path, String body) throws Exception {
        HttpResponse<String> response = post(path, body);
        assertThat(response.statusCode()).as(response.body()).isEqualTo(202);
        String id = Json.tree(response.body()).get("operation").asText();
        return get("/v1/operations/" + id + "?waitMs=10000");
    }

    private static String publish(String version, String source) {
        return "{\"model\":\"m\",\"version\":\"%s\",\"source\":\"%s\"}".formatted(version, source);
    }

    private JsonNode get(String path) throws IOException, InterruptedException {
        return Json.tree(send(request(path).GET().build()).body());
    }

    private HttpResponse<String> post(String path, String body) throws IOException, InterruptedException {
        return send(request(path)
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString(body))
                .build());
    }

    private HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(java.util.Objects.requireNonNull(uri).resolve(path))
                .timeout(Duration.ofSeconds(20));
    }

    private HttpResponse<String> send(HttpRequest request) throws IOException, InterruptedException {
        HttpResponse<String> response = client.send(request, BodyHandlers.ofString());
        OpenApiFile.check(request.method(), request.uri().getPath(), response);
        return response;
    }
}
