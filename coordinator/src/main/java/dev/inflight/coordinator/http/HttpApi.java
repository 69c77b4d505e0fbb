package dev.inflight.coordinator.http;

import static dev.inflight.coordinator.http.Endpoint.get;
import static dev.inflight.coordinator.http.Endpoint.post;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.AskPattern;
import akka.cluster.typed.Cluster;
import akka.http.javadsl.ConnectionContext;
import akka.http.javadsl.Http;
import akka.http.javadsl.ServerBuilder;
import akka.http.javadsl.model.HttpResponse;
import akka.http.javadsl.model.StatusCode;
import akka.http.javadsl.model.StatusCodes;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.inflight.coordinator.http.Endpoint.Call;
import dev.inflight.coordinator.metrics.CoordinatorMetrics;
import dev.inflight.coordinator.operation.CoordinatorQuery;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.coordinator.operation.OperationView;
import dev.inflight.protocol.cluster.Canary;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.Origin;
import dev.inflight.protocol.cluster.TrainerCommand;
import dev.inflight.protocol.cluster.VerifyPoint;
import dev.inflight.protocol.cluster.Wire;
import dev.inflight.protocol.tls.TlsIdentity;
import java.net.InetSocketAddress;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;

/** The coordinator over HTTP: the same commands that trainers send, and what the fleet looks like. */
public final class HttpApi {
    private static final Duration LONGEST_WAIT = Duration.ofSeconds(30);

    private final ActorSystem<?> system;
    private final ActorRef<Wire> coordinator;
    private final HttpSettings settings;
    private final Questions questions;
    private final HistoryApi history;
    private final ArenaRoutes arenas;
    private final CanaryRoutes canaries;
    private final CoordinatorMetrics metrics;

    /** @param metrics of this node */
    public HttpApi(
            ActorSystem<?> system, ActorRef<Wire> coordinator, HttpSettings settings, CoordinatorMetrics metrics) {
        this.metrics = metrics;
        this.system = system;
        this.coordinator = coordinator;
        this.settings = settings;
        this.questions = new Questions(system, coordinator, settings.askTimeout());
        this.history = new HistoryApi(system, coordinator, settings);
        this.arenas = new ArenaRoutes(system, coordinator, settings);
        this.canaries = new CanaryRoutes(system, coordinator, settings);
    }

    /** Starts listening; coordinated shutdown ends it. */
    public CompletionStage<URI> bind() {
        TlsIdentity tls = settings.tls();
        ServerBuilder server = Http.get(system)
                .newServerAt(settings.host(), settings.port())
                .withSettings(settings.server(system.settings().config(), LONGEST_WAIT));
        if (tls != null) {
            server = server.enableHttps(ConnectionContext.httpsServer(tls.context()));
        }
        Dispatcher dispatcher = new Dispatcher(system, settings, Access.of(settings), endpoints());
        Access.warn(settings);
        return server.bind(dispatcher::answer).thenApply(binding -> {
            binding.addToCoordinatedShutdown(settings.unbindTimeout(), system);
            InetSocketAddress at = binding.localAddress();
            String host = at.getAddress().getHostAddress();
            return URI.create((tls == null ? "http" : "https") + "://" + (host.contains(":") ? "[" + host + "]" : host)
                    + ":" + at.getPort());
        });
    }

    /** Every route there is; docs/openapi.yaml describes each, and a test compares the two. */
    private List<Endpoint> endpoints() {
        return List.of(
                get("/healthz", call -> completed(Answers.json(StatusCodes.OK, Map.of("status", "ok"))))
                        .withoutToken(),
                get("/metrics", call -> completed(Answers.metrics(metrics.text()))),
                get("/v1/openapi.yaml", call -> completed(OpenApi.response())),
                get("/v1/status", call -> status()),
                get("/v1/operations/{id}", call -> operation(call.parameter("id"), waitMs(call.query("waitMs")))),
                post("/v1/operations/{id}/cancel", this::cancel),
                post("/v1/checkpoints", this::publish),
                post("/v1/updates", this::update),
                post("/v1/promotions", canaries::promote),
                post("/v1/reverts", canaries::revert),
                post("/v1/rollbacks", this::rollback),
                post("/v1/verifications", this::verify),
                get("/v1/history", history::answer),
                post("/v1/arenas", arenas::lend),
                get("/v1/arenas/{lease}", call -> arenas.lease(call.parameter("lease"), waitMs(call.query("waitMs")))),
                post("/v1/arenas/{lease}/give-back", arenas::giveBack));
    }

    /** Method and path of every route, e.g. {@code GET /v1/operations/{id}}. */
    public List<String> routes() {
        return endpoints().stream()
                .map(endpoint -> endpoint.method().value() + " " + endpoint.path())
                .toList();
    }

    private CompletionStage<HttpResponse> status() {
        return questions
                .<CoordinatorQuery.Status>ask(CoordinatorQuery.GetStatus::new)
                .thenApply(status -> {
                    ObjectNode all = Json.MAPPER.createObjectNode();
                    all.set("cluster", Json.MAPPER.valueToTree(ClusterView.of(Cluster.get(system))));
                    all.setAll((ObjectNode) Json.tree(status.json()));
                    return Answers.json(StatusCodes.OK, all);
                });
    }

    private CompletionStage<HttpResponse> publish(Call call) {
        Requests.Publish request = Requests.read(call.body().toArray(), Requests.Publish.class);
        String model = Requests.required("model", request.model());
        String version = Requests.required("version", request.version());
        String source = Requests.required("source", request.source());
        Origin origin = call.origin(request.requester(), request.idempotencyKey());
        return ask(replyTo -> new TrainerCommand.Publish(model, version, source, origin, replyTo))
                .thenApply(HttpApi::taken);
    }

    private CompletionStage<HttpResponse> update(Call call) {
        Requests.Update request = Requests.read(call.body().toArray(), Requests.Update.class);
        String model = Requests.required("model", request.model());
        String version = Requests.required("version", request.version());
        LoadMode mode = Requests.mode(request.mode());
        String strategy = request.strategy() == null ? "auto" : request.strategy();
        VerifyPoint verify = Requests.verify(request.verify());
        String group = Requests.selection(request.group(), request.select());
        Canary canary = CanaryRoutes.of(request);
        Origin origin = call.origin(request.requester(), request.idempotencyKey());
        boolean wait = Boolean.TRUE.equals(request.mayWait());
        if (!wait && request.waitTimeoutMs() != null) {
            throw new Requests.BadRequest("waitTimeoutMs: is for updates that wait; set wait to true");
        }
        if (canary != null && wait) {
            throw new Requests.BadRequest("wait: a canary does not wait for its turn");
        }
        if (canary != null && verify != null) {
            throw new Requests.BadRequest(
                    "verify: the updates of a canary are verified as the coordinator's setting says");
        }
        return ask(replyTo -> {
                    if (canary != null) {
                        return new TrainerCommand.CanaryUpdate(
                                model, version, mode, strategy, group, canary, origin, replyTo);
                    }
                    TrainerCommand.UpdateWeights update = new TrainerCommand.UpdateWeights(
                            model, version, mode, strategy, group, verify, origin, replyTo);
                    return wait ? new TrainerCommand.Enqueue(update, request.waitTimeoutMs()) : update;
                })
                .thenApply(HttpApi::taken);
    }

    private CompletionStage<HttpResponse> cancel(Call call) {
        Requests.Cancel request = Requests.read(call.body().toArray(), Requests.Cancel.class);
        Origin origin = call.origin(request.requester(), null);
        return ask(replyTo -> new TrainerCommand.Cancel(call.parameter("id"), origin, replyTo))
                .thenApply(HttpApi::known);
    }

    private CompletionStage<HttpResponse> rollback(Call call) {
        Requests.Rollback request = Requests.read(call.body().toArray(), Requests.Rollback.class);
        String model = Requests.required("model", request.model());
        LoadMode mode = Requests.mode(request.mode());
        String group = Requests.selection(request.group(), request.select());
        Origin origin = call.origin(request.requester(), request.idempotencyKey());
        return ask(replyTo -> new TrainerCommand.Rollback(model, request.to(), mode, group, origin, replyTo))
                .thenApply(HttpApi::taken);
    }

    private CompletionStage<HttpResponse> verify(Call call) {
        Requests.Verify request = Requests.read(call.body().toArray(), Requests.Verify.class);
        String model = Requests.required("model", request.model());
        Origin origin = call.origin(request.requester(), request.idempotencyKey());
        String group = Requests.selection(request.group(), request.select());
        return ask(replyTo -> new TrainerCommand.VerifyModel(model, group, origin, replyTo))
                .thenApply(HttpApi::taken);
    }

    private CompletionStage<HttpResponse> operation(String id, long waitMs) {
        return ended(id, System.nanoTime() + Duration.ofMillis(waitMs).toNanos())
                .thenApply(HttpApi::known);
    }

    private static HttpResponse known(OperationReply reply) {
        return switch (reply) {
            case Operation operation -> Answers.json(StatusCodes.OK, OperationView.of(operation));
            case Refused refused -> refused(refused);
        };
    }

    /** The operation once it has ended, or as it is at the deadline. */
    private CompletionStage<OperationReply> ended(String id, long deadlineNanos) {
        return questions
                .<OperationReply>ask(replyTo -> new TrainerCommand.GetOperation(id, replyTo))
                .thenCompose(reply -> {
                    boolean running =
                            reply instanceof Operation operation && operation.state() == OperationReply.State.RUNNING;
                    if (!running || System.nanoTime() >= deadlineNanos) {
                        return CompletableFuture.completedFuture(reply);
                    }
                    // Akka's own scheduler ticks every 10 ms, which is long beside a short update.
                    var later = CompletableFuture.delayedExecutor(
                            settings.pollInterval().toNanos(),
                            TimeUnit.NANOSECONDS,
                            system.executionContext()::execute);
                    return CompletableFuture.supplyAsync(() -> ended(id, deadlineNanos), later)
                            .thenCompose(answer -> answer);
                });
    }

    private CompletionStage<OperationReply> ask(akka.japi.function.Function<ActorRef<OperationReply>, Wire> command) {
        return AskPattern.ask(coordinator, command, settings.askTimeout(), system.scheduler());
    }

    private static long waitMs(Optional<String> value) {
        if (value.isEmpty()) {
            return 0;
        }
        try {
            long wait = Long.parseLong(value.get());
            if (wait >= 0 && wait <= LONGEST_WAIT.toMillis()) {
                return wait;
            }
        } catch (NumberFormatException e) {
            // Said below, with the range.
        }
        throw new Requests.BadRequest("waitMs: must be a whole number from 0 to " + LONGEST_WAIT.toMillis()
                + " but is \"" + value.get() + "\"");
    }

    static HttpResponse taken(OperationReply reply) {
        return switch (reply) {
            case Operation operation -> Answers.json(StatusCodes.ACCEPTED, Map.of("operation", operation.id()));
            case Refused refused -> refused(refused);
        };
    }

    static HttpResponse refused(Refused refused) {
        StatusCode code = switch (refused.code()) {
            case INVALID -> StatusCodes.BAD_REQUEST;
            case NOT_FOUND -> StatusCodes.NOT_FOUND;
            case CONFLICT -> StatusCodes.CONFLICT;
            case UNAVAILABLE -> StatusCodes.SERVICE_UNAVAILABLE;
            case LIMITED -> StatusCodes.TOO_MANY_REQUESTS;
        };
        return Answers.refusal(code, refused, Instant.now());
    }

    private static CompletionStage<HttpResponse> completed(HttpResponse response) {
        return CompletableFuture.completedFuture(response);
    }
}
