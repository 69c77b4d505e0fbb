package dev.inflight.coordinator.http;

import akka.actor.typed.ActorSystem;
import akka.http.javadsl.model.HttpHeader;
import akka.http.javadsl.model.HttpRequest;
import akka.http.javadsl.model.HttpResponse;
import akka.http.javadsl.model.MediaType;
import akka.http.javadsl.model.RequestEntity;
import akka.http.javadsl.model.StatusCodes;
import akka.http.javadsl.model.headers.RawHeader;
import akka.http.scaladsl.model.EntityStreamException;
import akka.http.scaladsl.model.EntityStreamSizeException;
import akka.http.scaladsl.model.IllegalUriException;
import akka.util.ByteString;
import dev.inflight.coordinator.http.Endpoint.Call;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeoutException;
import scala.Option;

/** Takes each request to its endpoint, or refuses it: in this order with 404, 405, 401, 415, 413, 408, 400. */
final class Dispatcher {
    private final ActorSystem<?> system;
    private final HttpSettings settings;
    private final Access access;
    private final List<Endpoint> endpoints;

    Dispatcher(ActorSystem<?> system, HttpSettings settings, Access access, List<Endpoint> endpoints) {
        this.system = system;
        this.settings = settings;
        this.access = access;
        this.endpoints = endpoints;
    }

    /** Never fails: whatever goes wrong is an answer. */
    CompletionStage<HttpResponse> answer(HttpRequest request) {
        try {
            return dispatch(request).exceptionally(this::failed);
        } catch (RuntimeException e) {
            return CompletableFuture.completedFuture(failed(e));
        }
    }

    private CompletionStage<HttpResponse> dispatch(HttpRequest request) {
        String path = request.getUri().getPathString();
        String[] segments = path.substring(Math.min(1, path.length())).split("/", -1);
        List<String> allowed = new ArrayList<>();
        for (Endpoint endpoint : endpoints) {
            Map<String, String> parameters = endpoint.match(segments);
            if (parameters != null && endpoint.method().equals(request.method())) {
                return authorized(endpoint, parameters, request);
            }
            if (parameters != null) {
                allowed.add(endpoint.method().value());
            }
        }
        return refused(request, allowed.isEmpty() ? unknownPath(path) : wrongMethod(request, allowed));
    }

    private static HttpResponse unknownPath(String path) {
        return Answers.error(
                StatusCodes.NOT_FOUND, "there is no " + path + "; /v1/openapi.yaml describes what there is");
    }

    private static HttpResponse wrongMethod(HttpRequest request, List<String> allowed) {
        String methods = String.join(", ", allowed);
        return Answers.error(
                        StatusCodes.METHOD_NOT_ALLOWED,
                        request.method().value() + " is not allowed here, only " + methods)
                .addHeader(RawHeader.create("Allow", methods));
    }

    private CompletionStage<HttpResponse> authorized(
            Endpoint endpoint, Map<String, String> parameters, HttpRequest request) {
        Requester requester;
        try {
            requester = endpoint.open() ? Requester.ANONYMOUS : access.requester(request);
        } catch (Access.UnauthorizedException e) {
            HttpHeader challenge = RawHeader.create("WWW-Authenticate", e.challenge());
            return refused(
                    request,
                    Answers.error(StatusCodes.UNAUTHORIZED, String.valueOf(e.getMessage()))
                            .addHeader(challenge));
        }
        if (!endpoint.takesBody()) {
            discard(request);
            return endpoint.handler().apply(new Call(request, requester, parameters, ByteString.emptyByteString()));
        }
        MediaType type = request.entity().getContentType().mediaType();
        if (!type.mainType().equals("application") || !type.subType().equals("json")) {
            return refused(
                    request,
                    Answers.error(
                            StatusCodes.UNSUPPORTED_MEDIA_TYPE,
                            "Content-Type: must be application/json but is " + type));
        }
        return body(request.entity())
                .thenCompose(body -> endpoint.handler().apply(new Call(request, requester, parameters, body)));
    }

    private CompletionStage<ByteString> body(RequestEntity entity) {
        return entity.withSizeLimit(settings.maxBodyBytes())
                .toStrict(settings.askTimeout().toMillis(), system)
                .exceptionally(e -> {
                    throw cause(e) instanceof TimeoutException
                            ? new SlowBodyException()
                            : new CompletionException(cause(e));
                })
                .thenApply(strict -> {
                    if (strict.getContentLengthOption().orElse(0) > settings.maxBodyBytes()) {
                        throw EntityStreamSizeException.apply(settings.maxBodyBytes(), Option.empty());
                    }
                    return strict.getData();
                });
    }

    private CompletionStage<HttpResponse> refused(HttpRequest request, HttpResponse response) {
        discard(request);
        return CompletableFuture.completedFuture(response);
    }

    /** A body that nobody reads would hold the connection up; one that is too large breaks it. */
    private void discard(HttpRequest request) {
        request.entity().withSizeLimit(settings.maxBodyBytes()).discardBytes(system);
    }

    private HttpResponse failed(Throwable thrown) {
        Throwable cause = cause(thrown);
        return switch (cause) {
            case Requests.BadRequest bad -> Answers.error(StatusCodes.BAD_REQUEST, String.valueOf(bad.getMessage()));
            case IllegalUriException bad ->
                Answers.error(StatusCodes.BAD_REQUEST, "the request's URI is malformed: " + bad.getMessage());
            case EntityStreamSizeException large ->
                Answers.error(
                        StatusCodes.CONTENT_TOO_LARGE, "the body is larger than " + settings.maxBodyBytes() + " bytes");
            case EntityStreamException broken ->
                Answers.error(StatusCodes.BAD_REQUEST, "the body is incomplete or malformed");
            case SlowBodyException slow ->
                Answers.error(
                        StatusCodes.REQUEST_TIMEOUT,
                        "the body was not here after " + settings.askTimeout().toMillis() + " ms");
            case TimeoutException timeout ->
                Answers.error(StatusCodes.SERVICE_UNAVAILABLE, "the coordinator did not answer; try again");
            default -> {
                system.log().error("A request failed", cause);
                yield Answers.error(StatusCodes.INTERNAL_SERVER_ERROR, "internal error; see the coordinator's log");
            }
        };
    }

    private static Throwable cause(Throwable thrown) {
        return thrown instanceof CompletionException && thrown.getCause() != null ? thrown.getCause() : thrown;
    }

    private static final class SlowBodyException extends RuntimeException {
        private static final long serialVersionUID = 1;
    }
}
