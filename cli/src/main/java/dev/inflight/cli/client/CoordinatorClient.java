package dev.inflight.cli.client;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;

/**
 * Speaks to a coordinator over HTTP. Thread-safe. Every method throws {@link CoordinatorUnreachableException} if nobody
 * answers and {@link CoordinatorRefusedException} if the coordinator says no.
 */
public final class CoordinatorClient implements AutoCloseable {
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(5);
    private static final Duration ANSWER_TIMEOUT = Duration.ofSeconds(30);
    /** Short enough for a progress bar to move, long enough to cost nothing. */
    private static final long POLL_MILLIS = 500;

    private static final int POLL_ATTEMPTS = 10;
    private static final int UNAUTHORIZED = 401;
    private static final int OK = 200;

    private final URI base;
    private final Credentials credentials;
    private final HttpClient http;
    private final ObjectMapper json =
            new ObjectMapper().configure(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES, false);

    /** @param base scheme, host and port, e.g. {@code http://127.0.0.1:8780} */
    public CoordinatorClient(URI base) {
        this(base, Credentials.NONE);
    }

    public CoordinatorClient(URI base, Credentials credentials) {
        this.base = base;
        this.credentials = credentials;
        HttpClient.Builder builder =
                HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(CONNECT_TIMEOUT);
        SSLContext trust = credentials.trust();
        this.http = (trust == null ? builder : builder.sslContext(trust)).build();
    }

    /** Cluster, models, hosts and workers, as {@code GET /v1/status} tells them. */
    public JsonNode status() throws InterruptedException {
        return get("/v1/status");
    }

    /**
     * Publishes a checkpoint and waits for the end.
     *
     * @param source file or directory as the worker hosts see it
     * @param progress called on this thread after every answer
     */
    public Operation publish(String model, String version, String source, Consumer<Operation> progress)
            throws InterruptedException {
        return publish(model, version, source, Origin.UNKNOWN, progress);
    }

    /** The same, saying who asks. */
    public Operation publish(String model, String version, String source, Origin origin, Consumer<Operation> progress)
            throws InterruptedException {
        Map<String, String> body = Map.of("model", model, "version", version, "source", source);
        return await(start("/v1/checkpoints", body, origin), progress);
    }

    /** Moves engines to a published version and waits for commit or abort. */
    public Operation update(UpdateRequest request, Consumer<Operation> progress) throws InterruptedException {
        return update(request, Origin.UNKNOWN, progress);
    }

    /** The same, saying who asks. */
    public Operation update(UpdateRequest request, Origin origin, Consumer<Operation> progress)
            throws InterruptedException {
        return await(start("/v1/updates", request, origin), progress);
    }

    /** Asks for an update and returns the operation's id without waiting for its end. */
    public String beginUpdate(UpdateRequest request) throws InterruptedException {
        return beginUpdate(request, Origin.UNKNOWN);
    }

    /** The same; with an idempotency key the answer means that a majority of the coordinator nodes knows of it. */
    public String beginUpdate(UpdateRequest request, Origin origin) throws InterruptedException {
        return start("/v1/updates", request, origin);
    }

    /** What this node measures, in Prometheus' text format. */
    public String metrics() throws InterruptedException {
        HttpResponse<byte[]> response = send(request("/metrics").GET().build());
        if (response.statusCode() != OK) {
            parse(response, "/metrics");
        }
        return new String(response.body(), StandardCharsets.UTF_8);
    }

    /** Past operations, newest first: {@code operations}, and {@code next} if there are more. */
    public JsonNode history(HistoryQuery query) throws InterruptedException {
        return get("/v1/history" + query.text());
    }

    /** All past operations that are asked for, newest first, one JSON object after the other. */
    public void exportHistory(HistoryQuery query, Consumer<String> line) throws InterruptedException {
        String path = "/v1/history" + query.text();
        HttpRequest request =
                request(path).header("Accept", "application/x-ndjson").GET().build();
        HttpResponse<Stream<String>> response = send(request, HttpResponse.BodyHandlers.ofLines());
        try (Stream<String> lines = response.body()) {
            if (response.statusCode() != OK) {
                parse(
                        response.statusCode(),
                        lines.collect(Collectors.joining("\n")).getBytes(StandardCharsets.UTF_8),
                        path);
            }
            lines.forEach(line);
        } catch (UncheckedIOException e) {
            throw new CoordinatorUnreachableException(base, "the answer ended early: " + e.getMessage(), e);
        }
    }

    /** Moves engines back to a version that they had and waits for commit or abort. */
    public Operation rollback(RollbackRequest request, Consumer<Operation> progress) throws InterruptedException {
        return rollback(request, Origin.UNKNOWN, progress);
    }

    /** The same, saying who asks. */
    public Operation rollback(RollbackRequest request, Origin origin, Consumer<Operation> progress)
            throws InterruptedException {
        return await(start("/v1/rollbacks", request, origin), progress);
    }

    /** How an operation stands; one that somebody else began, too. */
    public Operation operation(String id) throws InterruptedException {
        return json.convertValue(get("/v1/operations/" + id), Operation.class);
    }

    /** Calls off an update that waits for its turn. */
    public Operation cancel(String id, Origin origin) throws InterruptedException {
        return json.convertValue(post("/v1/operations/" + id + "/cancel", Map.of(), origin), Operation.class);
    }

    /** The same when it has ended, or after half a second. */
    public Operation operationSoon(String id) throws InterruptedException {
        return json.convertValue(get(longPoll(id)), Operation.class);
    }

    private static String longPoll(String id) {
        return "/v1/operations/" + id + "?waitMs=" + POLL_MILLIS;
    }

    /** Compares every engine's live tensors with the manifest and waits for the verdict. */
    public Operation verify(String model, Consumer<Operation> progress) throws InterruptedException {
        return verify(model, Origin.UNKNOWN, progress);
    }

    /** The same, saying who asks. */
    public Operation verify(String model, Origin origin, Consumer<Operation> progress) throws InterruptedException {
        return verify(new VerifyRequest(model, null, null), origin, progress);
    }

    /** The same for some of the engines. */
    public Operation verify(VerifyRequest request, Origin origin, Consumer<Operation> progress)
            throws InterruptedException {
        return await(start("/v1/verifications", request, origin), progress);
    }

    /** Ends the hold of a canary; returns its id, to {@link #await} its end. */
    public String promote(CanaryDecision decision) throws InterruptedException {
        return start("/v1/promotions", decision, Origin.UNKNOWN);
    }

    /** Has a canary's engines go back; returns its id, to {@link #await} its end. */
    public String revert(CanaryDecision decision) throws InterruptedException {
        return start("/v1/reverts", decision, Origin.UNKNOWN);
    }

    /** Asks for an update, or a canary, and returns its id without waiting. */
    public String begin(UpdateRequest request, Origin origin) throws InterruptedException {
        return start("/v1/updates", request, origin);
    }

    @Override
    public void close() {
        http.shutdownNow();
    }

    private String start(String path, Object fields, Origin origin) throws InterruptedException {
        return post(path, fields, origin).path("operation").asText();
    }

    private JsonNode post(String path, Object fields, Origin origin) throws InterruptedException {
        try {
            ObjectNode body = json.valueToTree(fields);
            if (origin.requester() != null) {
                body.put("requester", origin.requester());
            }
            if (origin.idempotencyKey() != null) {
                body.put("idempotencyKey", origin.idempotencyKey());
            }
            HttpRequest request = request(path)
                    .header("Content-Type", "application/json")
                    .POST(HttpRequest.BodyPublishers.ofByteArray(json.writeValueAsBytes(body)))
                    .build();
            return parse(send(request), path);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(
                    "cannot write the request to " + path + ": " + e.getOriginalMessage(), e);
        }
    }

    /**
     * Waits for an operation's end.
     *
     * @param progress called on this thread after every answer, about twice a second
     */
    public Operation await(String id, Consumer<Operation> progress) throws InterruptedException {
        String path = longPoll(id);
        int silent = 0;
        while (true) {
            try {
                Operation operation = json.convertValue(get(path), Operation.class);
                silent = 0;
                progress.accept(operation);
                if (!operation.running()) {
                    return operation;
                }
            } catch (CoordinatorUnreachableException e) {
                // The operation goes on without us: a coordinator that restarts or is busy gets a few seconds.
                if (++silent == POLL_ATTEMPTS) {
                    throw e;
                }
                Thread.sleep(POLL_MILLIS);
            }
        }
    }

    private JsonNode get(String path) throws InterruptedException {
        return parse(send(request(path).GET().build()), path);
    }

    private HttpRequest.Builder request(String path) {
        HttpRequest.Builder request = HttpRequest.newBuilder(base.resolve(path)).timeout(ANSWER_TIMEOUT);
        String token = credentials.token();
        return token == null ? request : request.header("Authorization", "Bearer " + token);
    }

    private HttpResponse<byte[]> send(HttpRequest request) throws InterruptedException {
        return send(request, HttpResponse.BodyHandlers.ofByteArray());
    }

    private <T> HttpResponse<T> send(HttpRequest request, HttpResponse.BodyHandler<T> handler)
            throws InterruptedException {
        try {
            return http.send(request, handler);
        } catch (HttpTimeoutException e) {
            throw new CoordinatorUnreachableException(base, "no answer in time", e);
        } catch (ConnectException e) {
            throw new CoordinatorUnreachableException(base, "connection refused", e);
        } catch (SSLException e) {
            throw new CoordinatorUnreachableException(
                    base, "TLS: " + e.getMessage() + "; --ca-file names whose certificates are trusted", e);
        } catch (IOException e) {
            throw new CoordinatorUnreachableException(
                    base,
                    Objects.requireNonNullElse(e.getMessage(), e.getClass().getSimpleName()),
                    e);
        }
    }

    private JsonNode parse(HttpResponse<byte[]> response, String path) {
        return parse(response.statusCode(), response.body(), path);
    }

    private JsonNode parse(int status, byte[] text, String path) {
        JsonNode body;
        try {
            body = json.readTree(text);
        } catch (IOException e) {
            throw new CoordinatorUnreachableException(
                    base, "HTTP " + status + " to " + path + " without JSON: not a coordinator", e);
        }
        if (status / 100 != 2) {
            String error = body.path("error").asText("");
            if (status == UNAUTHORIZED) {
                error += "; give yours with --token-file FILE or INFLIGHT_TOKEN_FILE";
            }
            throw new CoordinatorRefusedException(
                    status,
                    error.isEmpty() ? "HTTP " + status + " to " + path : error,
                    body.path("limit").textValue(),
                    body.path("retryAt").textValue());
        }
        return body;
    }
}
