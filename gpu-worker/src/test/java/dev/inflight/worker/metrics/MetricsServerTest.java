package dev.inflight.worker.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.inflight.protocol.cluster.Taken;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import org.junit.jupiter.api.Test;

class MetricsServerTest {
    private static final InetSocketAddress FREE = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);

    @Test
    void showsWhatAWorkerHostDid() throws Exception {
        var metrics = new WorkerMetrics();
        metrics.showStore(() -> 4096, () -> 1024);
        metrics.showPeers(() -> 77, () -> 2);
        var taken = new Taken(40, 4, List.of("w2"), 30, List.of("w2"));
        metrics.streamed("w1/0", new StageReport(1_500_000, 0, 250_000, 0, 2_000_000, 100, 60, taken, 0, List.of()));
        metrics.streamed("w1/0", new StageReport(500_000, 0, 0, 0, 0, 100, 0));
        metrics.committed("w1/0");
        metrics.aborted("w1/0");
        try (var server = MetricsServer.start(FREE, metrics::text);
                var client = HttpClient.newHttpClient()) {
            var answer = get(client, server, "/metrics");
            assertThat(answer.statusCode()).isEqualTo(200);
            assertThat(answer.headers().firstValue("Content-Type"))
                    .hasValue("text/plain; version=0.0.4; charset=utf-8");
            assertThat(answer.body().lines().filter(line -> !line.startsWith("#")))
                    .containsExactlyInAnyOrder(
                            "inflight_host_store_bytes{state=\"free\"} 1024.0",
                            "inflight_host_store_bytes{state=\"held\"} 4096.0",
                            "inflight_peer_connections 2.0",
                            "inflight_peer_sent_bytes_total 77.0",
                            "inflight_worker_bytes_total{stage=\"cast\",worker=\"w1/0\"} 30.0",
                            "inflight_worker_bytes_total{stage=\"received\",worker=\"w1/0\"} 40.0",
                            "inflight_worker_bytes_total{stage=\"reload\",worker=\"w1/0\"} 200.0",
                            "inflight_worker_bytes_total{stage=\"resent\",worker=\"w1/0\"} 4.0",
                            "inflight_worker_bytes_total{stage=\"transfer\",worker=\"w1/0\"} 60.0",
                            "inflight_worker_stage_seconds_total{stage=\"h2d\",worker=\"w1/0\"} 2.0",
                            "inflight_worker_stage_seconds_total{stage=\"reload\",worker=\"w1/0\"} 0.0",
                            "inflight_worker_stage_seconds_total{stage=\"transfer\",worker=\"w1/0\"} 0.25",
                            "inflight_worker_stage_seconds_total{stage=\"verify\",worker=\"w1/0\"} 0.0",
                            "inflight_worker_updates_total{outcome=\"aborted\",worker=\"w1/0\"} 1.0",
                            "inflight_worker_updates_total{outcome=\"committed\",worker=\"w1/0\"} 1.0");
        }
    }

    @Test
    void answersNothingElse() throws Exception {
        try (var server = MetricsServer.start(FREE, () -> new byte[0]);
                var client = HttpClient.newHttpClient()) {
            assertThat(get(client, server, "/").statusCode()).isEqualTo(404);
            assertThat(get(client, server, "/metrics/x").statusCode()).isEqualTo(404);
            var post = HttpRequest.newBuilder(uri(server, "/metrics"))
                    .POST(BodyPublishers.ofString("x"))
                    .build();
            assertThat(client.send(post, BodyHandlers.discarding()).statusCode())
                    .isEqualTo(405);
        }
    }

    @Test
    void refusesAnAddressThatIsTakenByItsSetting() throws Exception {
        try (var first = MetricsServer.start(FREE, () -> new byte[0])) {
            assertThatThrownBy(() -> MetricsServer.start(first.address(), () -> new byte[0]))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("inflight.worker.metrics")
                    .hasMessageContaining("" + first.address().getPort());
        }
    }

    private static HttpResponse<String> get(HttpClient client, MetricsServer server, String path) throws Exception {
        return client.send(HttpRequest.newBuilder(uri(server, path)).build(), BodyHandlers.ofString());
    }

    private static URI uri(MetricsServer server, String path) {
        return URI.create("http://127.0.0.1:" + server.address().getPort() + path);
    }
}
