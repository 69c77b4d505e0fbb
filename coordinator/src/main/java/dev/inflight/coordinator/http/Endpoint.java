package dev.inflight.coordinator.http;

import akka.http.javadsl.model.HttpHeader;
import akka.http.javadsl.model.HttpMethod;
import akka.http.javadsl.model.HttpMethods;
import akka.http.javadsl.model.HttpRequest;
import akka.http.javadsl.model.HttpResponse;
import akka.util.ByteString;
import dev.inflight.protocol.cluster.Origin;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * One route of the API.
 *
 * @param path a template as in OpenAPI; a segment {@code {name}} takes any text
 * @param open whether it is answered without a token
 * @param handler fails with {@link Requests.BadRequest} for what is wrong with the request
 */
record Endpoint(HttpMethod method, String path, boolean open, Function<Call, CompletionStage<HttpResponse>> handler) {
    /**
     * A request that this endpoint takes.
     *
     * @param requester who sent it
     * @param parameters what the path has in place of the template's names
     * @param body empty unless the method is POST; then JSON of no more than the allowed size
     */
    record Call(HttpRequest request, Requester requester, Map<String, String> parameters, ByteString body) {
        Optional<String> query(String name) {
            return request.getUri().query().get(name);
        }

        /**
         * Who asks: as the token says, or else as the body does.
         *
         * @param named field of the body
         * @param idempotencyKey field of the body; the header Idempotency-Key says it as well
         */
        Origin origin(@Nullable String named, @Nullable String idempotencyKey) {
            String header =
                    request.getHeader("Idempotency-Key").map(HttpHeader::value).orElse(null);
            String who = requester.equals(Requester.ANONYMOUS) ? named : requester.name();
            return Requests.origin(who, idempotencyKey, header);
        }

        String parameter(String name) {
            String value = parameters.get(name);
            if (value == null) {
                throw new IllegalStateException("the path's template has no {" + name + "}");
            }
            return value;
        }
    }

    static Endpoint get(String path, Function<Call, CompletionStage<HttpResponse>> handler) {
        return new Endpoint(HttpMethods.GET, path, false, handler);
    }

    static Endpoint post(String path, Function<Call, CompletionStage<HttpResponse>> handler) {
        return new Endpoint(HttpMethods.POST, path, false, handler);
    }

    /** The same for everybody. */
    Endpoint withoutToken() {
        return new Endpoint(method, path, true, handler);
    }

    boolean takesBody() {
        return method.equals(HttpMethods.POST);
    }

    /**
     * What a path has in place of the template's names; null if it is another path.
     *
     * @param segments of the path, decoded
     */
    @Nullable
    Map<String, String> match(String[] segments) {
        String[] template = path.substring(1).split("/", -1);
        if (template.length != segments.length) {
            return null;
        }
        Map<String, String> parameters = new HashMap<>();
        for (int i = 0; i < template.length; i++) {
            if (template[i].startsWith("{")) {
                parameters.put(template[i].substring(1, template[i].length() - 1), segments[i]);
            } else if (!template[i].equals(segments[i])) {
                return null;
            }
        }
        return parameters;
    }
}
