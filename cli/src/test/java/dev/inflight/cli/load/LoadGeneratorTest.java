package dev.inflight.cli.load;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongFunction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class LoadGeneratorTest {
    private static final int ENOUGH = 40;
    private static final LoadSettings BRISK = new LoadSettings(2, 1000, Duration.ofSeconds(30), 42);
    private static final Map<String, LongFunction<String>> EXPECTED = Map.of(
            "v1", seed -> "one-" + Long.toUnsignedString(seed), "v2", seed -> "two-" + Long.toUnsignedString(seed));

    private final List<HttpServer> engines = new ArrayList<>();
    private final CountDownLatch answered = new CountDownLatch(ENOUGH);

    @AfterEach
    void stopEngines() {
        engines.forEach(engine -> engine.stop(0));
    }

    @Test
    void rightAnswersOfEitherVersionAreNeitherFailedNorMixed() throws Exception {
        AtomicInteger count = new AtomicInteger();
        URI one = engine((seed, reply) -> reply.send(200, answer("v1", "one-" + seed)));
        URI both = engine((seed, reply) -> reply.send(
                200, count.incrementAndGet() < 10 ? answer("v1", "one-" + seed) : answer("v2", "two-" + seed)));

        LoadReport report = load(one, both);

        assertThat(report.sent()).isGreaterThanOrEqualTo(ENOUGH);
        assertThat(report.failed()).isZero();
        assertThat(report.mixed()).isZero();
        assertThat(report.firstProblem()).isNull();
        assertThat(report.p50Ms()).isPositive().isLessThanOrEqualTo(report.p99Ms());
    }

    @Test
    void lapsAreCountedApart() throws Exception {
        AtomicInteger count = new AtomicInteger();
        URI recovering = engine((seed, reply) -> {
            int status = count.incrementAndGet() <= ENOUGH ? 503 : 200;
            reply.send(status, answer("v1", "one-" + seed));
        });

        try (LoadGenerator generator = LoadGenerator.start(List.of(recovering), EXPECTED, BRISK)) {
            assertThat(answered.await(30, TimeUnit.SECONDS)).isTrue();
            LoadReport first = generator.lap();
            while (count.get() < 2 * ENOUGH) {
                Thread.onSpinWait();
            }
            LoadReport second = generator.stop();

            assertThat(first.failed()).isPositive();
            assertThat(first.firstProblem()).contains("HTTP 503");
            // One of each client may have been under way.
            assertThat(first.failed() + second.failed()).isEqualTo(ENOUGH);
            assertThat(second.sent()).isGreaterThan(second.failed());
            assertThat(second.p99Ms()).isPositive();
        }
    }

    @Test
    void anAnswerOfAnotherVersionThanTheOneNamedIsMixed() throws Exception {
        URI mixing = engine((seed, reply) -> reply.send(200, answer("v2", "one-" + seed)));

        LoadReport report = load(mixing);

        assertThat(report.mixed()).isEqualTo(report.sent()).isPositive();
        assertThat(report.failed()).isZero();
        assertThat(report.firstProblem()).contains("/answer?seed=", "where v2 answers two-");
    }

    @Test
    void anUnknownVersionIsMixed() throws Exception {
        URI strange = engine((seed, reply) -> reply.send(200, answer("v7", "one-" + seed)));

        assertThat(load(strange).firstProblem()).contains("\"v7\"");
    }

    @Test
    void errorsAndNonsenseAreFailed() throws Exception {
        URI pending = engine((seed, reply) -> reply.send(503, answer("v1", "one-" + seed)));
        URI nonsense = engine((seed, reply) -> reply.send(200, "hello"));

        LoadReport report = load(pending, nonsense);

        assertThat(report.failed()).isEqualTo(report.sent()).isPositive();
        assertThat(report.mixed()).isZero();
    }

    private LoadReport load(URI... targets) throws InterruptedException {
        try (LoadGenerator generator = LoadGenerator.start(List.of(targets), EXPECTED, BRISK)) {
            assertThat(answered.await(30, TimeUnit.SECONDS)).isTrue();
            return generator.stop();
        }
    }

    private URI engine(Behaviour behaviour) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/answer", exchange -> {
            try (exchange) {
                String seed = exchange.getRequestURI().getQuery().substring("seed=".length());
                behaviour.answer(seed, (status, body) -> {
                    byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
                    exchange.sendResponseHeaders(status, bytes.length);
                    exchange.getResponseBody().write(bytes);
                });
            } finally {
                answered.countDown();
            }
        });
        server.start();
        engines.add(server);
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    private static String answer(String version, String digest) {
        return "{\"version\":\"" + version + "\",\"digest\":\"" + digest + "\"}";
    }

    private interface Behaviour {
        void answer(String seed, Reply reply) throws IOException;
    }

    private interface Reply {
        void send(int status, String body) throws IOException;
    }
}
