package dev.inflight.tests.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.inflight.cli.client.CoordinatorClient;
import dev.inflight.cli.client.CoordinatorRefusedException;
import dev.inflight.cli.client.CoordinatorUnreachableException;
import dev.inflight.cli.client.Credentials;
import dev.inflight.cli.client.Operation;
import dev.inflight.cli.client.UpdateRequest;
import dev.inflight.protocol.link.TensorParallel;
import dev.inflight.protocol.tls.TlsIdentity;
import dev.inflight.tests.Eventually;
import dev.inflight.tests.fleet.EngineProcess;
import dev.inflight.tests.fleet.TestCheckpoint;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A coordinator and a worker host with --profile tls, tokens and checkpoint roots, and those who have no business there. */
class SecureFleetIT {
    private static final String TOKEN = "5f9b1c3d7e2a4068aabbccddeeff0011";
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    @TempDir
    private static Path directory;

    private static final List<Launched> NODES = new ArrayList<>();
    private static JsonNode coordinator;
    private static JsonNode worker;
    private static EngineProcess engine;

    @BeforeAll
    static void start() throws Exception {
        certificates("own");
        certificates("strangers");
        Files.createDirectory(directory.resolve("data"));
        secret("tokens", "# may publish\ntrainer:" + TOKEN + "\n");
        Files.writeString(directory.resolve("node.conf"), """
                inflight.coordinator.http.token-file = "%1$s/tokens"
                inflight.coordinator.data-dir = "%1$s/ledger"
                inflight.worker.checkpoint-roots = ["%1$s/data"]
                inflight.worker.metrics { host = "127.0.0.1", port = 0 }
                """.formatted(directory));
        coordinator = node("coordinator", "--http-port", "0");
        worker = node("worker", "--seed", coordinator.path("akka").asText(), "--run-dir", directory + "/run");
        Path link = Path.of(worker.at("/links/0/socket").asText());
        engine = EngineProcess.start(directory, "engine", "m", link, TensorParallel.NONE);
    }

    @AfterAll
    static void stop() throws Exception {
        if (engine != null) {
            engine.kill();
        }
        for (Launched node : NODES.reversed()) {
            try (node) {
                node.signal("TERM");
                node.awaitEnd();
            }
        }
    }

    @Test
    void whoHasTheTokenPublishesUpdatesAndVerifies() throws Exception {
        try (TestCheckpoint v1 = TestCheckpoint.write(directory.resolve("data/v1.safetensors"), 1);
                CoordinatorClient client = client(credentials("own", TOKEN))) {
            Eventually.until(
                    "the engine is attached",
                    PATIENCE,
                    () -> client.status().at("/workers/0/engine").isObject());
            succeeded(client.publish("m", "v1", v1.file().toString(), progress -> {}));
            Operation updated = client.update(new UpdateRequest("m", "v1", null, null, null), progress -> {});
            succeeded(updated);
            requireUpdateInLogs(updated);
            succeeded(client.verify("m", progress -> {}));
            engine.requireServing("v1", v1.answers());
        }
        assertThat(scrape(coordinator.path("http").asText(), TOKEN))
                .contains("\ninflight_coordinator_leader 1.0\n")
                .contains("\ninflight_operations_total{kind=\"update\",model=\"m\",outcome=\"committed\"} 1.0\n");
        assertThat(scrape(coordinator.path("http").asText(), "none")).contains("the token is not in");
        Matcher port = Pattern.compile("metrics are at port (\\d+)")
                .matcher(NODES.get(1).err());
        assertThat(port.find()).isTrue();
        assertThat(scrape("http://127.0.0.1:" + port.group(1), "none"))
                .contains("\ninflight_worker_updates_total{outcome=\"committed\",worker=\"secure-worker/0\"} 1.0\n")
                .containsPattern("\ninflight_host_store_bytes\\{state=\"held\"} [1-9]")
                .containsPattern("\ninflight_worker_bytes_total\\{stage=\"reload\",worker=\"secure-worker/0\"} [1-9]");
    }

    /** Both nodes log in JSON. */
    private static void requireUpdateInLogs(Operation updated) throws IOException {
        long epoch = Objects.requireNonNull(updated.result()).path("epoch").asLong();
        assertThat(epoch).isPositive();
        assertThat(ofUpdate(NODES.get(0), updated.id(), epoch))
                .contains("update: streaming", "update of model m: committed");
        assertThat(ofUpdate(NODES.get(1), updated.id(), epoch))
                .anySatisfy(line -> assertThat(line).startsWith("secure-worker/0: prepared, plan "))
                .anySatisfy(line -> assertThat(line).startsWith("secure-worker/0: committed"));
    }

    private static List<String> ofUpdate(Launched node, String update, long epoch) throws IOException {
        List<String> messages = new ArrayList<>();
        for (String line : node.err().lines().filter(any -> any.startsWith("{")).toList()) {
            JsonNode json = new ObjectMapper().readTree(line);
            JsonNode fields = json.path("mdc");
            if (fields.path("update").asText().equals(update)
                    && fields.path("epoch").asText().equals(String.valueOf(epoch))) {
                messages.add(json.path("formattedMessage").asText());
            }
        }
        return messages;
    }

    private static String scrape(String uri, String token) throws Exception {
        SSLContext trust =
                new TlsIdentity(file("own", "node.crt"), file("own", "node.key"), file("own", "ca.crt")).context();
        HttpRequest request = HttpRequest.newBuilder(URI.create(uri + "/metrics"))
                .header("Authorization", "Bearer " + token)
                .build();
        try (HttpClient client = HttpClient.newBuilder().sslContext(trust).build()) {
            return client.send(request, BodyHandlers.ofString()).body();
        }
    }

    @Test
    void othersAreRefused() throws Exception {
        try (CoordinatorClient nobody = client(credentials("own", null));
                CoordinatorClient liar = client(credentials("own", TOKEN.replace('5', '6')));
                CoordinatorClient stranger = client(credentials("strangers", TOKEN));
                CoordinatorClient plain = new CoordinatorClient(
                        URI.create(coordinator.path("http").asText().replace("https", "http")))) {
            refused(401, "--token-file", nobody);
            refused(401, "the token is not in", liar);
            assertThatThrownBy(stranger::status)
                    .isInstanceOf(CoordinatorUnreachableException.class)
                    .hasMessageContaining("--ca-file");
            assertThatThrownBy(plain::status).isInstanceOf(CoordinatorUnreachableException.class);
        }
    }

    @Test
    void aCheckpointOutsideOfTheRootsIsRefused() throws Exception {
        Path outside = directory.resolve("outside.safetensors");
        TestCheckpoint.write(outside, 1).close();
        Path link = Files.createSymbolicLink(directory.resolve("data/link.safetensors"), outside);
        try (CoordinatorClient client = client(credentials("own", TOKEN))) {
            Eventually.until(
                    "the host is known",
                    PATIENCE,
                    () -> client.status().path("hosts").size() == 1);
            for (String source : List.of(outside.toString(), link.toString(), "/etc/passwd", "/dev/zero")) {
                assertThatThrownBy(() -> client.publish("m", "x", source, progress -> {}))
                        .isInstanceOfSatisfying(CoordinatorRefusedException.class, e -> {
                            assertThat(e.status()).isEqualTo(400);
                            assertThat(e).hasMessageStartingWith("source: " + source + " is outside");
                        });
            }
        }
    }

    @Test
    void onlyMembersWithACertificateOfTheAuthoritySpeakToMembers() throws Exception {
        int port =
                URI.create(worker.path("akka").asText().replace("akka", "http")).getPort();
        TlsIdentity member = new TlsIdentity(file("own", "node.crt"), file("own", "node.key"), file("own", "ca.crt"));
        TlsIdentity stranger =
                new TlsIdentity(file("strangers", "node.crt"), file("strangers", "node.key"), file("own", "ca.crt"));
        assertThat(isHeard(tls(member.context(), port), 1_000)).as("a member").isTrue();
        assertThat(isHeard(tls(stranger.context(), port), 30_000))
                .as("a stranger")
                .isFalse();
        assertThat(isHeard(tls(TlsIdentity.trusting(file("own", "ca.crt")), port), 30_000))
                .as("without a certificate")
                .isFalse();
        assertThat(isHeard(new Socket("127.0.0.1", port), 30_000))
                .as("plain TCP")
                .isFalse();
    }

    @Test
    void noTokenIsInAnyLog() throws IOException {
        for (Launched node : NODES) {
            assertThat(node.err()).doesNotContain(TOKEN);
        }
    }

    /** Whether the other side keeps the connection for this long, waiting for the rest of a message. */
    private static boolean isHeard(Socket socket, int millis) throws IOException {
        try (socket) {
            socket.setSoTimeout(millis);
            socket.getOutputStream().write("AKKA\1\0\0\0".getBytes(StandardCharsets.ISO_8859_1));
            return socket.getInputStream().read() >= 0;
        } catch (SSLException | SocketException e) {
            return false;
        } catch (SocketTimeoutException e) {
            return true;
        }
    }

    private static Socket tls(SSLContext context, int port) throws IOException {
        return context.getSocketFactory().createSocket("127.0.0.1", port);
    }

    private static void refused(int status, String message, CoordinatorClient client) {
        assertThatThrownBy(client::status).isInstanceOfSatisfying(CoordinatorRefusedException.class, e -> {
            assertThat(e.status()).isEqualTo(status);
            assertThat(e).hasMessageContaining(message).hasMessageNotContaining(TOKEN);
        });
    }

    private static void succeeded(Operation operation) {
        assertThat(operation.succeeded()).as("%s", operation).isTrue();
    }

    private static CoordinatorClient client(Credentials credentials) {
        return new CoordinatorClient(URI.create(coordinator.path("http").asText()), credentials);
    }

    private static Credentials credentials(String authority, String token) throws IOException {
        return Credentials.of(token == null ? null : secret("token-" + token, token), file(authority, "ca.crt"));
    }

    private static JsonNode node(String role, String... more) throws IOException {
        Path announcement = directory.resolve(role + ".json");
        List<String> arguments = new ArrayList<>(List.of("node", "--role", role, "--name", "secure-" + role));
        arguments.addAll(List.of("--profile", "local,tls", "--config", directory + "/node.conf"));
        arguments.addAll(List.of("--port", "0", "--announce", announcement.toString()));
        arguments.addAll(List.of(more));
        NODES.add(Launched.start(
                Map.of("INFLIGHT_TLS_DIR", directory.resolve("own").toString(), "INFLIGHT_LOG_FORMAT", "json"),
                arguments.toArray(String[]::new)));
        Eventually.until("the " + role + " announces itself", PATIENCE, () -> Files.exists(announcement));
        return new ObjectMapper().readTree(announcement.toFile());
    }

    /** As OPERATIONS.md has it. */
    private static void certificates(String name) throws Exception {
        Path script = Launched.HOME.resolve("scripts/make-test-certs.sh");
        Path files = directory.resolve(name);
        int exitCode = new ProcessBuilder(script.toString(), files.toString(), "127.0.0.1")
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve(name + ".log").toFile())
                .start()
                .waitFor();
        assertThat(exitCode).as("%s", script).isZero();
        Files.move(files.resolve("127.0.0.1.crt"), files.resolve("node.crt"));
        Files.move(files.resolve("127.0.0.1.key"), files.resolve("node.key"));
    }

    private static Path file(String authority, String name) {
        return directory.resolve(authority).resolve(name);
    }

    private static Path secret(String name, String text) throws IOException {
        Path file = Files.writeString(directory.resolve(name), text);
        return Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
    }
}
