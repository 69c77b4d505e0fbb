package dev.inflight.coordinator.http;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.AskPattern;
import akka.cluster.typed.Cluster;
import akka.http.javadsl.Http;
import akka.http.javadsl.model.ContentTypes;
import akka.http.javadsl.model.HttpEntities;
import akka.http.javadsl.model.HttpEntity;
import akka.http.javadsl.model.HttpResponse;
import akka.http.javadsl.model.MediaType;
import akka.http.javadsl.model.RequestEntity;
import akka.http.javadsl.model.StatusCode;
import akka.http.javadsl.model.StatusCodes;
import akka.http.javadsl.server.AllDirectives;
import akka.http.javadsl.server.PathMatchers;
import akka.http.javadsl.server.RejectionHandler;
import akka.http.javadsl.server.Route;
import akka.http.scaladsl.model.EntityStreamSizeException;
import akka.util.ByteString;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.inflight.coordinator.operation.CoordinatorQuery;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.coordinator.operation.OperationView;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.TrainerCommand;
import dev.inflight.protocol.cluster.Wire;
import java.net.InetSocketAddress;
import java.net.URI;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import java.util.function.Supplier;
import scala.Option;

/** The coordinator over HTTP: the same commands that trainers send, and what the fleet looks like. */
public final class HttpApi extends AllDirectives {
    private static final long LONGEST_WAIT_MS = 30_000;

    private final ActorSystem<?> system;
    private final ActorRef<Wire> coordinator;
    private final HttpSettings settings;

    public HttpApi(ActorSystem<?> system, ActorRef<Wire> coordinator, HttpSettings settings) {
        this.system = system;
        this.coordinator = coordinator;
        this.settings = settings;
    }

    /** Starts listening; coordinated shutdown ends it. */
    public CompletionStage<URI> bind() {
        return Http.get(system)
                .newServerAt(settings.host(), settings.port())
                .bind(route())
                .thenApply(binding -> {
                    binding.addToCoordinatedShutdown(settings.unbindTimeout(), system);
                    InetSocketAddress at = binding.localAddress();
                    String host = at.getAddress().getHostAddress();
                    return URI.create("http://" + (host.contains(":") ? "[" + host + "]" : host) + ":" + at.getPort());
                });
    }

    private Route route() {
        Route api = concat(
                path("healthz", () -> get(() -> complete(json(StatusCodes.OK, Map.of("status", "ok"))))),
                pathPrefix(
                        "v1",
                        () -> concat(
                                path("status", () -> get(() -> answer(this::status))),
                                path("checkpoints", () -> post(() -> command(this::publish))),
                                path("updates", () -> post(() -> command(this::update))),
                                path("rollbacks", () -> post(() -> command(this::rollback))),
                                path("verifications", () -> post(() -> command(this::verify))),
                                path(
                                        PathMatchers.segment("operations").slash(PathMatchers.segment()),
                                        id -> get(() -> parameterOptional(
                                                "waitMs", wait -> answer(() -> operation(id, waitMs(wait)))))))));
        RejectionHandler rejections = RejectionHandler.defaultHandler().mapRejectionResponse(HttpApi::rejected);
        return handleRejections(rejections, () -> api);
    }

    private CompletionStage<HttpResponse> status() {
        return AskPattern.<Wire, CoordinatorQuery.Status>ask(
                        coordinator, CoordinatorQuery.GetStatus::new, settings.askTimeout(), system.scheduler())
                .thenApply(status -> {
                    ObjectNode all = Json.MAPPER.createObjectNode();
                    all.set("cluster", Json.MAPPER.valueToTree(ClusterView.of(Cluster.get(system))));
                    all.setAll((ObjectNode) Json.tree(status.json()));
                    return json(StatusCodes.OK, all);
                });
    }

    private CompletionStage<HttpResponse> publish(byte[] body) {
        Requests.Publish request = Requests.read(body, Requests.Publish.class);
        String model = Requests.required("model", request.model());
        String version = Requests.required("version", request.version());
        String source = Requests.required("source", request.source());
        return ask(replyTo -> new TrainerCommand.Publish(model, version, source, replyTo))
                .thenApply(HttpApi::taken);
    }

    private CompletionStage<HttpResponse> update(byte[] body) {
        Requests.Update request = Requests.read(body, Requests.Update.class);
        String model = Requests.required("model", request.model());
        String version = Requests.required("version", request.version());
        LoadMode mode = Requests.mode(request.mode());
        String strategy = request.strategy() == null ? "auto" : request.strategy();
        return ask(replyTo ->
                        new TrainerCommand.UpdateWeights(model, version, mode, strategy, request.group(), replyTo))
                .thenApply(HttpApi::taken);
    }

    private CompletionStage<HttpResponse> rollback(byte[] body) {
        Requests.Rollback request = Requests.read(body, Requests.Rollback.class);
        String model = Requests.required("model", request.model());
        LoadMode mode = Requests.mode(request.mode());
        return ask(replyTo -> new TrainerCommand.Rollback(model, request.to(), mode, request.group(), replyTo))
                .thenApply(HttpApi::taken);
    }

    private CompletionStage<HttpResponse> verify(byte[] body) {
        String model = Requests.required(
                "model", Requests.read(body, Requests.Verify.class).model());
        return ask(replyTo -> new TrainerCommand.VerifyModel(model, replyTo)).thenApply(HttpApi::taken);
    }

    private CompletionStage<HttpResponse> operation(String id, long waitMs) {
        return ended(id, System.nanoTime() + Duration.ofMillis(waitMs).toNanos())
                .thenApply(reply -> switch (reply) {
                    case Operation operation -> json(StatusCodes.OK, OperationView.of(operation));
                    case Refused refused -> refused(refused);
                });
    }

    /** The operation once it has ended, or as it is at the deadline. */
    private CompletionStage<OperationReply> ended(String id, long deadlineNanos) {
        return ask(replyTo -> new TrainerCommand.GetOperation(id, replyTo)).thenCompose(reply -> {
            boolean running = reply instanceof Operation operation && operation.state() == OperationReply.State.RUNNING;
            if (!running || System.nanoTime() >= deadlineNanos) {
                return CompletableFuture.completedFuture(reply);
            }
            // Akka's own scheduler ticks every 10 ms, which is long beside a short update.
            var later = CompletableFuture.delayedExecutor(
                    settings.pollInterval().toNanos(), TimeUnit.NANOSECONDS, system.executionContext()::execute);
            return CompletableFuture.supplyAsync(() -> ended(id, deadlineNanos), later)
                    .thenCompose(answer -> answer);
        });
    }

    private CompletionStage<OperationReply> ask(akka.japi.function.Function<ActorRef<OperationReply>, Wire> command) {
        return AskPattern.ask(coordinator, command, settings.askTimeout(), system.scheduler());
    }

    private Route command(Function<byte[], CompletionStage<HttpResponse>> handler) {
        return extractRequestEntity(
                entity -> answer(() -> isJson(entity) ? strictly(entity, handler) : notJson(entity)));
    }

    private static boolean isJson(RequestEntity entity) {
        MediaType type = entity.getContentType().mediaType();
        return type.mainType().equals("application") && type.subType().equals("json");
    }

    private static CompletionStage<HttpResponse> notJson(RequestEntity entity) {
        return CompletableFuture.completedFuture(error(
                StatusCodes.UNSUPPORTED_MEDIA_TYPE,
                "Content-Type: must be application/json but is "
                        + entity.getContentType().mediaType()));
    }

    private CompletionStage<HttpResponse> strictly(
            RequestEntity entity, Function<byte[], CompletionStage<HttpResponse>> handler) {
        return entity.withSizeLimit(settings.maxBodyBytes())
                .toStrict(settings.askTimeout().toMillis(), system)
                .thenCompose(strict -> {
                    if (strict.getContentLengthOption().orElse(0) > settings.maxBodyBytes()) {
                        throw EntityStreamSizeException.apply(settings.maxBodyBytes(), Option.empty());
                    }
                    return handler.apply(strict.getData().toArray());
                });
    }

    /** Completes with what the handler gives, or with the error it ends in. */
    private Route answer(Supplier<CompletionStage<HttpResponse>> handler) {
        CompletionStage<HttpResponse> response;
        try {
            response = handler.get();
        } catch (Requests.BadRequest e) {
            response = CompletableFuture.failedFuture(e);
        }
        return completeWithFuture(response.exceptionally(this::failed));
    }

    private HttpResponse failed(Throwable thrown) {
        Throwable cause =
                thrown instanceof CompletionException && thrown.getCause() != null ? thrown.getCause() : thrown;
        return switch (cause) {
            case Requests.BadRequest bad -> error(StatusCodes.BAD_REQUEST, String.valueOf(bad.getMessage()));
            case EntityStreamSizeException large ->
                error(StatusCodes.CONTENT_TOO_LARGE, "the body is larger than " + settings.maxBodyBytes() + " bytes");
            case TimeoutException timeout ->
                error(StatusCodes.SERVICE_UNAVAILABLE, "the coordinator did not answer; try again");
            default -> {
                system.log().error("A request failed", cause);
                yield error(StatusCodes.INTERNAL_SERVER_ERROR, "internal error; see the coordinator's log");
            }
        };
    }

    private static long waitMs(Optional<String> value) {
        if (value.isEmpty()) {
            return 0;
        }
        try {
            long wait = Long.parseLong(value.get());
            if (wait >= 0 && wait <= LONGEST_WAIT_MS) {
                return wait;
            }
        } catch (NumberFormatException e) {
            // Said below, with the range.
        }
        throw new Requests.BadRequest(
                "waitMs: must be a whole number from 0 to " + LONGEST_WAIT_MS + " but is \"" + value.get() + "\"");
    }

    private static HttpResponse taken(OperationReply reply) {
        return switch (reply) {
            case Operation operation -> json(StatusCodes.ACCEPTED, Map.of("operation", operation.id()));
            case Refused refused -> refused(refused);
        };
    }

    private static HttpResponse refused(Refused refused) {
        StatusCode code = switch (refused.code()) {
            case INVALID -> StatusCodes.BAD_REQUEST;
            case NOT_FOUND -> StatusCodes.NOT_FOUND;
            case CONFLICT -> StatusCodes.CONFLICT;
            case UNAVAILABLE -> StatusCodes.SERVICE_UNAVAILABLE;
        };
        return error(code, refused.message());
    }

    private static HttpResponse rejected(HttpResponse response) {
        String message = response.entity() instanceof HttpEntity.Strict strict
                ? strict.getData().utf8String()
                : response.status().reason();
        return response.withEntity(entity(Map.of("error", message)));
    }

    private static HttpResponse error(StatusCode code, String message) {
        return json(code, Map.of("error", message));
    }

    private static HttpResponse json(StatusCode code, Object value) {
        return HttpResponse.create().withStatus(code).withEntity(entity(value));
    }

    private static HttpEntity.Strict entity(Object value) {
        return HttpEntities.create(ContentTypes.APPLICATION_JSON, ByteString.fromString(Json.write(value)));
    }
}
