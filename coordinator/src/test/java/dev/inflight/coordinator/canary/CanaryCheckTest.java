package dev.inflight.coordinator.canary;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class CanaryCheckTest {
    private static final List<String> HOSTS = List.of("good", "127.0.0.1", "mon:9090");
    private static final String METRICS = """
            # HELP errors Of requests.
            # TYPE errors counter
            errors{version="v1"} 7.0
            errors{version="v2",path="/a, b"} 2
            errors_total 99
            rate 0.004 1700000000
            broken NaN
            huge +Inf
            """;

    private HttpServer server;
    private final AtomicInteger secret = new AtomicInteger();
    private final Function<CanaryCheck, CompletionStage<CheckResult>> probe = CheckProbe.lazily(Duration.ofMillis(400));

    @BeforeEach
    void start() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.ofLiteral("127.0.0.1"), 0), 0);
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        server.createContext("/ok", exchange -> answer(exchange, 200, "fine"));
        server.createContext("/bad", exchange -> answer(exchange, 503, "not at all"));
        server.createContext("/metrics", exchange -> answer(exchange, 200, METRICS));
        server.createContext("/secret", exchange -> {
            secret.incrementAndGet();
            answer(exchange, 200, "secret");
        });
        server.createContext("/moved", exchange -> {
            exchange.getResponseHeaders().set("Location", "/secret");
            answer(exchange, 302, "");
        });
        server.createContext("/long", exchange -> answer(exchange, 200, "x".repeat(5 << 20)));
        server.createContext("/slow", exchange -> {
            exchange.sendResponseHeaders(200, 0);
            exchange.getResponseBody().write('x');
            exchange.getResponseBody().flush();
            // Never more: the connection ends with the server.
        });
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    private static void answer(HttpExchange exchange, int status, String body) throws IOException {
        try (exchange) {
            byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
            exchange.getResponseBody().write(bytes);
        } catch (IOException e) {
            // Who asked has gone.
        }
    }

    private CheckResult check(String text) throws Exception {
        String url =
                text.replace("HERE", "http://127.0.0.1:" + server.getAddress().getPort());
        return probe.apply(CanaryCheck.parse(url, HOSTS)).toCompletableFuture().get(10, TimeUnit.SECONDS);
    }

    @Test
    void asksOnlyWhomTheSettingsName() {
        assertThat(CanaryCheck.parse("http://good/health", HOSTS)).isInstanceOf(CanaryCheck.Http.class);
        assertThat(CanaryCheck.parse("https://GOOD:8443/", HOSTS)).isInstanceOf(CanaryCheck.Http.class);
        assertThat(CanaryCheck.parse("http://mon:9090/m", HOSTS)).isInstanceOf(CanaryCheck.Http.class);
        for (String wrong : List.of(
                "http://169.254.169.254/latest",
                "http://mon:9091/",
                "http://good@evil/",
                "http://evil/?good",
                "http://user:pw@good/",
                "http:///x",
                "http://go od/",
                "file:///etc/passwd",
                "gopher://good/",
                "metric:ftp://good/#a<1",
                "metric:http://evil/metrics#a<1",
                "command:rm -rf /",
                "good")) {
            assertThatThrownBy(() -> CanaryCheck.parse(wrong, HOSTS))
                    .as(wrong)
                    .isInstanceOf(CanaryException.class)
                    .hasMessageStartingWith("check: ");
        }
        assertThatThrownBy(() -> CanaryCheck.parse("http://good/", List.of())).hasMessageContaining("check-hosts");
    }

    @Test
    void passesOnSuccessOnly() throws Exception {
        assertThat(check("HERE/ok").passed()).isTrue();
        assertThat(check("HERE/bad").failure()).contains("HTTP 503");
        assertThat(check("HERE/none").failure()).contains("HTTP 404");
        assertThat(probe.apply(CanaryCheck.parse("http://127.0.0.1:1/", HOSTS))
                        .toCompletableFuture()
                        .get(10, TimeUnit.SECONDS)
                        .passed())
                .isFalse();
    }

    @Test
    void followsNoRedirect() throws Exception {
        assertThat(check("HERE/moved").failure()).contains("HTTP 302");
        assertThat(secret).hasValue(0);
    }

    @Test
    void isBoundedInTimeAndSize() throws Exception {
        assertThat(check("HERE/slow").failure()).contains("no answer within 400 ms");
        assertThat(check("HERE/long").failure()).contains("more than");
    }

    @Test
    void comparesEverySeriesOfAMetric() throws Exception {
        assertThat(check("metric:HERE/metrics#rate<0.01").passed()).isTrue();
        assertThat(check("metric:HERE/metrics#rate>=0.004").passed()).isTrue();
        assertThat(check("metric:HERE/metrics#errors{version=\"v2\"}<=2").passed())
                .isTrue();
        assertThat(check("metric:HERE/metrics#errors<=2").failure()).contains("errors is 7.0, not <= 2.0");
        assertThat(check("metric:HERE/metrics#huge<5").passed()).isFalse();
        assertThat(check("metric:HERE/metrics#broken<5").passed()).isFalse();
        assertThat(check("metric:HERE/metrics#gone<5").failure()).contains("metric gone is not there");
        assertThat(check("metric:HERE/bad#rate<0.01").passed()).isFalse();
        for (String wrong : List.of("rate", "rate<", "rate<x", "rate=1", "<1", "a{b}<1", "rate<Infinity")) {
            assertThatThrownBy(() -> MetricCondition.parse(wrong)).as(wrong).isInstanceOf(CanaryException.class);
        }
    }
}
