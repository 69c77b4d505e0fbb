package dev.inflight.cli.client;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;

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

    private final URI base;
    private final HttpClient http = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(CONNECT_TIMEOUT)
            .build();
    private final ObjectMapper json =
            new ObjectMapper().configure(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES, false);

    /** @param base scheme, host and port, e.g. {@code http://127.0.0.1:8780} */
    public CoordinatorClient(URI base) {
        this.base = base;
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
        Map<String, String> body = Map.of("model", model, "version", version, "source", source);
        return await(start("/v1/checkpoints", body), progress);
    }

    /** Moves engines to a published version and waits for commit or abort. */
    public Operation update(UpdateRequest request, Consumer<Operation> progress) throws InterruptedException {
        return await(start("/v1/updates", request), progress);
    }

    /** Moves engines back to a version that they had and waits for commit or abort. */
    public Operation rollback(RollbackRequest request, Consumer<Operation> progress) throws InterruptedException {
        return await(start("/v1/rollbacks", request), progress);
    }

    /** How an operation stands; one that somebody else began, too. */
    public Operation operation(String id) throws InterruptedException {
        return json.convertValue(get("/v1/operations/" + id), Operation.class);
    }

    /** Compares every engine's live tensors with the manifest and waits for the verdict. */
    public Operation verify(String model, Consumer<Operation> progress) throws InterruptedException {
        return await(start("/v1/verifications", Map.of("model", model)), progress);
    }

    @Override
    public void close() {
        http.shutdownNow();
    }

    private String start(String path, Object body) throws InterruptedException {
        try {
            HttpRequest request = request(path)
                    .header("Content-Type", "application/json")
                    .POST(HttpRequest.BodyPublishers.ofByteArray(json.writeValueAsBytes(body)))
                    .build();
            return parse(send(request), path).path("operation").asText();
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(
                    "cannot write the request to " + path + ": " + e.getOriginalMessage(), e);
        }
    }

    private Operation await(String id, Consumer<Operation> progress) throws InterruptedException {
        String path = "/v1/operations/" + id + "?waitMs=" + POLL_MILLIS;
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
        return HttpRequest.newBuilder(base.resolve(path)).timeout(ANSWER_TIMEOUT);
    }

    private HttpResponse<byte[]> send(HttpRequest request) throws InterruptedException {
        try {
            return http.send(request, HttpResponse.BodyHandlers.ofByteArray());
        } catch (HttpTimeoutException e) {
            throw new CoordinatorUnreachableException(base, "no answer in time", e);
        } catch (ConnectException e) {
            throw new CoordinatorUnreachableException(base, "connection refused", e);
        } catch (IOException e) {
            throw new CoordinatorUnreachableException(
                    base,
                    Objects.requireNonNullElse(e.getMessage(), e.getClass().getSimpleName()),
                    e);
        }
    }

    private JsonNode parse(HttpResponse<byte[]> response, String path) {
        JsonNode body;
        try {
            body = json.readTree(response.body());
        } catch (IOException e) {
            throw new CoordinatorUnreachableException(
                    base, "HTTP " + response.statusCode() + " to " + path + " without JSON: not a coordinator", e);
        }
        if (response.statusCode() / 100 != 2) {
            String error = body.path("error").asText("");
            throw new CoordinatorRefusedException(
                    response.statusCode(), error.isEmpty() ? "HTTP " + response.statusCode() + " to " + path : error);
        }
        return body;
    }
}
