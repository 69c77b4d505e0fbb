package dev.inflight.engine;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.link.AnswerFunction;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;

/** The engine's HTTP side: {@code /health}, {@code /health/weights} and {@code /answer}. One virtual thread per request. */
final class EngineHttp {
    private static final String SEED = "seed=";

    private final EngineFlags flags;
    private final WeightUpdates updates;
    private final RequestGate gate;
    private final HttpServer server;

    private EngineHttp(EngineFlags flags, WeightUpdates updates, RequestGate gate, HttpServer server) {
        this.flags = flags;
        this.updates = updates;
        this.gate = gate;
        this.server = server;
    }

    private record Reply(int status, Map<String, @Nullable String> body) {}

    static EngineHttp start(EngineFlags flags, WeightUpdates updates, RequestGate gate) throws IOException {
        InetSocketAddress address = new InetSocketAddress(InetAddress.ofLiteral("127.0.0.1"), flags.httpPort());
        EngineHttp http = new EngineHttp(flags, updates, gate, HttpServer.create(address, 1024));
        http.server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        http.server.createContext("/", http::handle);
        http.server.start();
        return http;
    }

    /** Where it listens, like {@code http://127.0.0.1:8080}. */
    String uri() {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    private void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            Reply reply = reply(exchange);
            byte[] body = SmallJson.object(reply.body()).getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("Content-Type", "application/json");
            exchange.sendResponseHeaders(reply.status(), body.length);
            exchange.getResponseBody().write(body);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private Reply reply(HttpExchange exchange) throws InterruptedException {
        if (!exchange.getRequestMethod().equals("GET")) {
            return error(405, "only GET is served");
        }
        return switch (exchange.getRequestURI().getPath()) {
            case "/health" -> health();
            case "/health/weights" -> weights();
            case "/answer" -> answer(exchange.getRequestURI().getQuery());
            default -> error(404, "there is /health, /health/weights and /answer?seed=N");
        };
    }

    private Reply health() {
        WeightUpdates.Status status = updates.status();
        EngineState.Version version = status.version();
        Map<String, @Nullable String> body = new LinkedHashMap<>();
        body.put("engine", flags.id());
        body.put("model", flags.model());
        body.put("state", status.state().name());
        body.put("version", version == null ? null : version.name());
        body.put("digest", version == null ? null : version.digest());
        return new Reply(status.state() == EngineStatus.State.SERVING ? 200 : 503, body);
    }

    /** Waits for a pause like any request, since weights are read. */
    private Reply weights() throws InterruptedException {
        try (RequestGate.Pass pass = gate.enter()) {
            WeightUpdates.Serving serving = Objects.requireNonNull(updates.serving(), "open without weights");
            String problem = WeightHealth.problem(serving.parameters());
            Map<String, @Nullable String> body = new LinkedHashMap<>();
            body.put("version", serving.version().name());
            body.put("problem", problem);
            return new Reply(problem == null ? 200 : 503, body);
        } catch (RequestGate.ClosedException e) {
            return error(503, String.valueOf(e.getMessage()));
        }
    }

    private Reply answer(@Nullable String query) throws InterruptedException {
        long seed;
        try {
            seed = seed(query);
        } catch (NumberFormatException e) {
            return error(400, "give seed=N with N from 0 to 2^64-1");
        }
        try (RequestGate.Pass pass = gate.enter()) {
            WeightUpdates.Serving serving = Objects.requireNonNull(updates.serving(), "open without weights");
            Map<String, @Nullable String> body = new LinkedHashMap<>();
            body.put("version", serving.version().name());
            body.put("digest", AnswerFunction.answer(seed, serving.parameters()));
            return new Reply(200, body);
        } catch (RequestGate.ClosedException e) {
            return error(503, String.valueOf(e.getMessage()));
        }
    }

    private static long seed(@Nullable String query) {
        for (String field : query == null ? new String[0] : query.split("&")) {
            if (field.startsWith(SEED) && !field.startsWith(SEED + "+")) {
                return Long.parseUnsignedLong(field.substring(SEED.length()));
            }
        }
        throw new NumberFormatException("no seed");
    }

    private static Reply error(int status, String message) {
        return new Reply(status, Map.of("error", message));
    }
}
