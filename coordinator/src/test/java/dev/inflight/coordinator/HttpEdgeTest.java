package dev.inflight.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.ConfigFactory;
import dev.inflight.coordinator.http.HttpSettings;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.protocol.tls.TlsIdentity;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.http.HttpClient;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.SSLHandshakeException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What reaches the HTTP API before any route does. */
class HttpEdgeTest {
    @TempDir
    private Path directory;

    @Test
    void onATlsPortOnlyTlsIsSpokenAndOnlyByWhoTrustsTheAuthority() throws Exception {
        certificates(directory, "127.0.0.1");
        HttpClient trusting = HttpClient.newBuilder()
                .sslContext(TlsIdentity.trusting(directory.resolve("ca.crt")))
                .build();
        try (ApiNode node = ApiNode.alone(tls(directory.resolve("127.0.0.1")), trusting)) {
            assertThat(node.uri()).hasScheme("https");
            assertThat(node.send("GET", "/healthz", null).statusCode()).isEqualTo(200);
            assertThat(said(node.uri(), "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"))
                    .as("in plain HTTP")
                    .doesNotContain("HTTP/1.1", "ok");
        }
        try (ApiNode node = ApiNode.alone(tls(directory.resolve("127.0.0.1")), HttpClient.newHttpClient())) {
            assertThatThrownBy(() -> node.send("GET", "/healthz", null)).isInstanceOf(SSLHandshakeException.class);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "ca.crt,           127.0.0.1.key, is not the key of",
        "127.0.0.1.crt,    127.0.0.1.crt, every user of this machine has access",
        "127.0.0.1.key,    127.0.0.1.key, holds no certificate",
        "missing.crt,      127.0.0.1.key, no such file"
    })
    void certificateAndKeyAreCheckedBeforeANodeStarts(String certificate, String key, String message) throws Exception {
        certificates(directory, "127.0.0.1");
        HttpSettings settings = settings("tls { enabled = on, certificate = \"%s\", key = \"%s\" }"
                .formatted(directory.resolve(certificate), directory.resolve(key)));
        assertThatIllegalArgumentException().isThrownBy(settings::requireUsable).withMessageContaining(message);
    }

    @Test
    void anApiThatOthersReachNeedsTokensOrTheWordThatItDoesNot() {
        assertThatIllegalArgumentException()
                .isThrownBy(settings("host = 0.0.0.0")::requireUsable)
                .withMessageContaining("inflight.coordinator.http.host 0.0.0.0")
                .withMessageContaining("token-file")
                .withMessageContaining("allow-anonymous");
        settings("host = 0.0.0.0, allow-anonymous = on").requireUsable();
        settings("host = 127.0.0.77").requireUsable();
        settings("host = \"::1\"").requireUsable();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "what is this?\r\n\r\n",
                "GET /v1/status HTTP/1.1\r\nHost: a b\r\n\r\n",
                "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
                "POST /v1/updates HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: -1\r\n\r\n",
                "POST /v1/updates HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
                "POST /v1/updates HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                        + "Transfer-Encoding: chunked\r\n\r\nzz",
                "GET /v1/status HTTP/9.9\r\nHost: x\r\n\r\n"
            })
    void whatIsNoHttpIsRefusedInJson(String request) throws Exception {
        try (ApiNode node = ApiNode.alone("", HttpClient.newHttpClient())) {
            String answer = said(node.uri(), request);
            assertThat(answer).matches("(?s)HTTP/1\\.1 (4..|50[15]) .*");
            String body = answer.substring(answer.indexOf("\r\n\r\n") + 4);
            assertThat(Json.tree(body).path("error").asText()).as(answer).isNotBlank();
        }
    }

    @Test
    void aBodyOfUnknownLengthIsBoundedToo() throws Exception {
        try (ApiNode node = ApiNode.alone("", HttpClient.newHttpClient())) {
            String chunk = "10000\r\n" + " ".repeat(0x10000) + "\r\n";
            String answer = said(
                    node.uri(),
                    "POST /v1/updates HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                            + "Transfer-Encoding: chunked\r\n\r\n" + chunk + chunk);
            assertThat(answer).startsWith("HTTP/1.1 413 ").contains("larger than 65536 bytes");
        }
    }

    /** A connection that is let go makes room for the next. */
    @Test
    void onlySoManyConnectionsAreServedAtATime() throws Exception {
        try (ApiNode node = ApiNode.alone("max-connections = 2", HttpClient.newHttpClient())) {
            List<Socket> idle = new ArrayList<>();
            for (int i = 0; i < 2; i++) {
                idle.add(new Socket(node.uri().getHost(), node.uri().getPort()));
                write(idle.getLast(), "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
                assertThat(read(idle.getLast(), 12)).isEqualTo("HTTP/1.1 200");
            }
            try (Socket waiting = new Socket(node.uri().getHost(), node.uri().getPort())) {
                write(waiting, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
                waiting.setSoTimeout(500);
                assertThatThrownBy(() -> read(waiting, 1)).isInstanceOf(SocketTimeoutException.class);
                waiting.setSoTimeout(30_000);
                for (Socket socket : idle) {
                    socket.close();
                }
                assertThat(read(waiting, 12)).isEqualTo("HTTP/1.1 200");
            }
        }
    }

    private static HttpSettings settings(String text) {
        return CoordinatorSettings.from(ConfigFactory.parseString("inflight.coordinator.http { " + text + " }")
                        .withFallback(ConfigFactory.load()))
                .http();
    }

    private static String tls(Path files) {
        return "tls { enabled = on, certificate = \"" + files + ".crt\", key = \"" + files + ".key\" }";
    }

    private static void certificates(Path directory, String host) throws IOException, InterruptedException {
        int exitCode = new ProcessBuilder("../scripts/make-test-certs.sh", directory.toString(), host)
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("certificates.log").toFile())
                .start()
                .waitFor();
        assertThat(exitCode).as("exit code of make-test-certs.sh").isZero();
        assertThat(Files.exists(directory.resolve(host + ".crt"))).isTrue();
    }

    /** All that a server says to this before it closes, or for a while. */
    private static String said(URI uri, String request) throws IOException {
        try (Socket socket = new Socket(uri.getHost(), uri.getPort())) {
            socket.setSoTimeout(20_000);
            write(socket, request);
            socket.shutdownOutput();
            return new String(socket.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
        } catch (SocketException e) {
            return "";
        }
    }

    private static void write(Socket socket, String text) throws IOException {
        socket.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
    }

    private static String read(Socket socket, int bytes) throws IOException {
        InputStream in = socket.getInputStream();
        return new String(in.readNBytes(bytes), StandardCharsets.ISO_8859_1);
    }
}
