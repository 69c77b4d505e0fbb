package dev.inflight.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.PoisonPill;
import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import akka.actor.typed.javadsl.Adapter;
import akka.actor.typed.javadsl.Behaviors;
import akka.cluster.typed.Cluster;
import akka.cluster.typed.Join;
import com.fasterxml.jackson.databind.JsonNode;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import dev.inflight.coordinator.http.HttpApi;
import dev.inflight.coordinator.metrics.CoordinatorMetrics;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.protocol.cluster.WorkerCommand;
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
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** A node of its own cluster with coordinator and HTTP API, perhaps with fake hosts and workers, and a client of it. */
final class ApiNode implements AutoCloseable {
    /** Of a node with a cluster to itself. */
    static final Config CONFIG = ConfigFactory.parseString("""
            akka.actor.provider = cluster
            akka.remote.artery.canonical { hostname = "127.0.0.1", port = 0 }
            akka.cluster.roles = [coordinator]
            akka.cluster.jmx.multi-mbeans-in-same-jvm = on
            akka.cluster {
              gossip-interval = 100 ms
              leader-actions-interval = 100 ms
              periodic-tasks-initial-delay = 100 ms
              singleton-proxy.singleton-identification-interval = 100 ms
            }
            akka.coordinated-shutdown { exit-jvm = off, run-by-actor-system-terminate = off }
            akka.loglevel = ERROR
            inflight.coordinator.http.port = 0
            inflight.coordinator.http.max-body = 64 KiB
            """).withFallback(ConfigFactory.load());

    private final ActorTestKit kit;
    private final HttpClient client;
    private final Path data;
    private final boolean temporary;
    private final List<String> routes;
    private final URI uri;
    private @Nullable String token;

    private ApiNode(ActorTestKit kit, HttpClient client, Path data, boolean temporary, List<String> routes, URI uri) {
        this.temporary = temporary;
        this.kit = kit;
        this.client = client;
        this.data = data;
        this.routes = routes;
        this.uri = uri;
    }

    /** @param settings of {@code inflight.coordinator.http} */
    static ApiNode start(String settings) throws Exception {
        return start(settings, HttpClient.newHttpClient());
    }

    static ApiNode start(String settings, HttpClient client) throws Exception {
        return start(settings, "", client);
    }

    /**
     * @param settings of {@code inflight.coordinator.http}
     * @param others of {@code inflight.coordinator}
     */
    static ApiNode start(String settings, String others, HttpClient client) throws Exception {
        return temporary("http { " + settings + " }, " + others, client).formCluster();
    }

    /**
     * On a ledger that outlives it.
     *
     * @param settings of {@code inflight.coordinator}
     */
    static ApiNode startIn(Path data, String settings) throws Exception {
        return of(settings, HttpClient.newHttpClient(), data, false).formCluster();
    }

    private ApiNode formCluster() {
        Cluster cluster = Cluster.get(kit.system());
        cluster.manager().tell(Join.create(cluster.selfMember().address()));
        return this;
    }

    /** Without a cluster, so that no coordinator ever answers. */
    static ApiNode alone(String settings, HttpClient client) throws Exception {
        return alone(settings, "", client);
    }

    /** With other settings of {@code inflight.coordinator}. */
    static ApiNode alone(String settings, String others, HttpClient client) throws Exception {
        return temporary("http { " + settings + " }, " + others, client);
    }

    private static ApiNode temporary(String settings, HttpClient client) throws Exception {
        return of(settings, client, Files.createTempDirectory("inflight-api-node-"), true);
    }

    private static ApiNode of(String settings, HttpClient client, Path data, boolean temporary) throws Exception {
        Config config = ConfigFactory.parseString(
                        "inflight.coordinator { data-dir = \"" + data + "\", " + settings + " }")
                .withFallback(CONFIG);
        ActorTestKit kit = ActorTestKit.create("inflight", config);
        try {
            CoordinatorSettings all = CoordinatorSettings.from(config);
            URI uri = CoordinatorNode.start(kit.system(), all)
                    .toCompletableFuture()
                    .get(20, TimeUnit.SECONDS)
                    .httpUri();
            List<String> routes =
                    new HttpApi(kit.system(), kit.system().ignoreRef(), all.http(), new CoordinatorMetrics()).routes();
            return new ApiNode(kit, client, data, temporary, routes, uri);
        } catch (Exception e) {
            kit.shutdownTestKit();
            if (temporary) {
                delete(data);
            }
            throw e;
        }
    }

    /** Gives it two hosts with a worker and an engine each, and waits until the coordinator knows them. */
    void addTwoHosts() {
        addTwoHosts(TestFleet.MODEL, TestFleet.MODEL);
    }

    /** The same, with engines of these models. */
    void addTwoHosts(String first, String second) {
        kit.spawn(FakeHost.create("h1", List.of()));
        kit.spawn(FakeWorker.ofModel("h1/0", first));
        kit.spawn(FakeHost.create("h2", List.of()));
        kit.spawn(FakeWorker.ofModel("h2/0", second));
        kit.createTestProbe().awaitAssert(Duration.ofSeconds(20), Duration.ofMillis(50), () -> {
            var status = Json.tree(send("GET", "/v1/status", null).body());
            assertThat(status.path("workers")).hasSize(2);
            assertThat(status.path("hosts")).hasSize(2);
            return status;
        });
    }

    /** Gives it a host whose worker says what it has of an update. */
    void addHost(String host, String version, Session session) {
        kit.spawn(FakeHost.create(host, List.of()));
        kit.spawn(FakeWorker.create(host + "/0", version, session));
    }

    /** Adds a host with a worker whose engine serves a version, or has no weights. */
    ActorRef<WorkerCommand> addHost(String host, @Nullable String version) {
        kit.spawn(FakeHost.create(host, List.of()));
        return kit.spawn(FakeWorker.create(host + "/0", version, null));
    }

    /** Adds a host with a worker whose engine has no weights; what the worker is told is seen by the probe. */
    TestProbe<WorkerCommand> addWatchedHost(String host) {
        TestProbe<WorkerCommand> seen = kit.createTestProbe();
        kit.spawn(FakeHost.create(host, List.of()));
        kit.spawn(Behaviors.monitor(
                WorkerCommand.class, seen.getRef(), FakeWorker.ofModel(host + "/0", TestFleet.MODEL)));
        return seen;
    }

    void stop(ActorRef<?> actor) {
        kit.stop(actor);
    }

    /** Another coordinator takes its place, on the same node. */
    void crashCoordinator() {
        Adapter.toClassic(kit.system())
                .actorSelection("/system/*/update-coordinator/" + UpdateCoordinator.FLEET_MONITOR)
                .tell(PoisonPill.getInstance(), akka.actor.ActorRef.noSender());
    }

    /** Waits until the status is as wanted. */
    JsonNode await(Predicate<JsonNode> wanted) {
        return kit.createTestProbe().awaitAssert(Duration.ofSeconds(20), Duration.ofMillis(50), () -> {
            JsonNode status = Json.tree(send("GET", "/v1/status", null).body());
            assertThat(status.has("workers") && wanted.test(status))
                    .as(status.toString())
                    .isTrue();
            return status;
        });
    }

    /** Sent with every request from now on; none if null. */
    void token(@Nullable String next) {
        token = next;
    }

    List<String> routes() {
        return routes;
    }

    URI uri() {
        return uri;
    }

    HttpResponse<String> send(String method, String path, @Nullable String body)
            throws IOException, InterruptedException {
        return send(method, path, body, Map.of());
    }

    /** @param headers beside the token, or instead of the content type, which is JSON */
    HttpResponse<String> send(String method, String path, @Nullable String body, Map<String, String> headers)
            throws IOException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(uri.resolve(path))
                .timeout(Duration.ofSeconds(60))
                .header("Content-Type", "application/json")
                .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body));
        headers.forEach(request::setHeader);
        if (token != null) {
            request.header("Authorization", "Bearer " + token);
        }
        HttpResponse<String> response = client.send(request.build(), BodyHandlers.ofString());
        OpenApiFile.check(method, uri.resolve(path).getPath(), response);
        return response;
    }

    @Override
    public void close() throws IOException {
        client.close();
        kit.shutdownTestKit();
        if (temporary) {
            delete(data);
        }
    }

    private static void delete(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(directory);
    }
}
