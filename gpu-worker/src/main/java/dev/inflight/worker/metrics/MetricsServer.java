package dev.inflight.worker.metrics;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Supplier;

/** Answers {@code GET /metrics} over plain HTTP, to whoever reaches it. Thread-safe. */
public final class MetricsServer implements AutoCloseable {
    private static final String TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8";
    private static final int BACKLOG = 16;
    private static final int AT_ONCE = 4;

    private final HttpServer server;
    private final ExecutorService threads;

    private MetricsServer(HttpServer server, ExecutorService threads) {
        this.server = server;
        this.threads = threads;
    }

    /**
     * @param at port 0 takes a free one
     * @throws IOException naming the address, if it can not be listened at
     */
    public static MetricsServer start(InetSocketAddress at, Supplier<byte[]> text) throws IOException {
        if (at.isUnresolved()) {
            throw new IOException("cannot show metrics at " + at + ": the host name does not resolve");
        }
        HttpServer server;
        try {
            server = HttpServer.create(at, BACKLOG);
        } catch (IOException e) {
            throw new IOException(
                    "cannot show metrics at " + at + ": " + e.getMessage() + "; choose another inflight.worker.metrics",
                    e);
        }
        // Few, so that slow clients can only starve one another.
        var threads = Executors.newFixedThreadPool(
                AT_ONCE, Thread.ofPlatform().daemon().name("metrics-", 0).factory());
        server.setExecutor(threads);
        server.createContext("/", exchange -> answer(exchange, text));
        server.start();
        return new MetricsServer(server, threads);
    }

    private static void answer(HttpExchange exchange, Supplier<byte[]> text) throws IOException {
        try (exchange) {
            if (!exchange.getRequestURI().getPath().equals("/metrics")) {
                exchange.sendResponseHeaders(404, -1);
            } else if (!exchange.getRequestMethod().equals("GET")) {
                exchange.getResponseHeaders().set("Allow", "GET");
                exchange.sendResponseHeaders(405, -1);
            } else {
                byte[] body = text.get();
                exchange.getResponseHeaders().set("Content-Type", TEXT_FORMAT);
                exchange.sendResponseHeaders(200, body.length);
                exchange.getResponseBody().write(body);
            }
        }
    }

    /** Where it listens, with the port it got. */
    public InetSocketAddress address() {
        return server.getAddress();
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
