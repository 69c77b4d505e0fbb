package dev.inflight.cli;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;

/** Answers prepared bodies in order, the last one for ever, and keeps what it was sent. */
public final class StubCoordinator implements AutoCloseable {
    private final HttpServer server;
    private final Map<String, Deque<Prepared>> prepared = new HashMap<>();
    private final ConcurrentLinkedQueue<String> requests = new ConcurrentLinkedQueue<>();

    private record Prepared(int status, String body) {}

    public StubCoordinator() {
        try {
            server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        server.createContext("/", this::answer);
        server.start();
    }

    public StubCoordinator on(String methodAndPath, int status, String body) {
        synchronized (prepared) {
            prepared.computeIfAbsent(methodAndPath, any -> new ArrayDeque<>()).add(new Prepared(status, body));
        }
        return this;
    }

    public String url() {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    /** Method, path and body of every request so far. */
    public Iterable<String> requests() {
        return requests;
    }

    @Override
    public void close() {
        server.stop(0);
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            String key =
                    exchange.getRequestMethod() + " " + exchange.getRequestURI().getPath();
            requests.add(key + " " + new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
            Prepared answer = next(key);
            byte[] body = answer.body().getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(answer.status(), body.length);
            exchange.getResponseBody().write(body);
        }
    }

    private Prepared next(String key) {
        synchronized (prepared) {
            Deque<Prepared> answers = prepared.get(key);
            if (answers == null) {
                return new Prepared(404, "{\"error\":\"nothing at " + key + "\"}");
            }
            return answers.size() > 1 ? answers.removeFirst() : answers.getFirst();
        }
    }
}
