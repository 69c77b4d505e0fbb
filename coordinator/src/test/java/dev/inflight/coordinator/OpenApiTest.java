package dev.inflight.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.coordinator.operation.Json;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * docs/openapi.yaml and the running server say the same: each route, and of each route every status and the shape of
 * its body.
 *
 * <p>To add a route: put it into {@code HttpApi.endpoints()} and into openapi.yaml, and call it in
 * {@link #everyAnswerIsAsDescribed} once for each status that the file gives it; a POST also needs an example there, with
 * all its fields. To add a field to an answer: put it into the file's schema; until then every test that sees it fails,
 * since {@link ApiNode} and {@link CoordinatorNodeTest} hold all they are answered against the file. What is the same for
 * all routes (401, 413, 415, 408, 503, 400 for a field that is not known) is called by itself for new ones.
 */
class OpenApiTest {
    private static final String TOKEN = "0123456789abcdef0123456789abcdef";
    private static final String PUBLISH = "{\"model\":\"m\",\"version\":\"%s\",\"source\":\"%s\"}";
    private static final String UPDATE = "{\"model\":\"m\",\"version\":\"%s\"}";
    private static final String CANARY = "{\"model\":\"m\",\"version\":\"v2\",\"canary\":\"1\"}";
    private static final String ROLLBACK = "{\"model\":\"m\",\"to\":\"%s\"}";
    private static final String VERIFY = "{\"model\":\"m\"}";
    private static final String LENT = "/v1/arenas/h1-0123456789ab";
    private static final Pattern KNOWN_FIELDS = Pattern.compile("known are \\[(.*)]");

    /** A bug answers with these, and nothing else does. */
    private static final String BUG = " 500";

    private final Set<String> seen = new TreeSet<>();

    @TempDir
    private Path directory;

    @Test
    void everyAnswerIsAsDescribed() throws Exception {
        Path tokens = Files.writeString(directory.resolve("tokens"), "trainer:" + TOKEN);
        Files.setPosixFilePermissions(tokens, PosixFilePermissions.fromString("rw-------"));
        Path data = Files.createDirectory(directory.resolve("data"));
        try (ApiNode node = ApiNode.startIn(
                data,
                "limits.queue-length = 1, update.recovery-window = 100 ms, http.token-file = \"" + tokens + "\"")) {
            assertThat(node.routes()).containsExactlyInAnyOrderElementsOf(OpenApiFile.routes());

            call(node, "GET", "/healthz", null, 200);
            for (String route : node.routes()) {
                refusedForItsForm(node, route);
            }
            node.token(TOKEN);
            HttpResponse<String> file = call(node, "GET", "/v1/openapi.yaml", null, 200);
            assertThat(file.body()).isEqualTo(Files.readString(OpenApiFile.PATH));

            node.addTwoHosts();
            call(node, "GET", "/v1/status", null, 200);
            call(node, "GET", "/metrics", null, 200);

            String first = taken(node, "/v1/checkpoints", PUBLISH.formatted("v1", "/ckpt/v1"));
            call(node, "GET", "/v1/operations/" + first + "?waitMs=30000", null, 200);
            call(node, "GET", "/v1/operations/none", null, 404);
            call(node, "GET", "/v1/operations/none?waitMs=x", null, 400);
            call(node, "POST", "/v1/checkpoints", PUBLISH.formatted("v2", "/missing"), 404);

            ended(node, taken(node, "/v1/updates", UPDATE.formatted("v1")));
            call(node, "POST", "/v1/updates", UPDATE.formatted("v9"), 404);

            Map<String, String> key = Map.of("Idempotency-Key", "k1");
            String verified = operation(call(node, "POST", "/v1/verifications", VERIFY, key, 202));
            ended(node, verified);
            assertThat(operation(call(node, "POST", "/v1/verifications", VERIFY, key, 202)))
                    .isEqualTo(verified);
            call(node, "POST", "/v1/checkpoints", PUBLISH.formatted("v1", "/ckpt/v1"), key, 409);
            call(node, "POST", "/v1/verifications", "{\"model\":\"other\"}", 404);

            ended(node, taken(node, "/v1/rollbacks", ROLLBACK.formatted("v1")));
            call(node, "POST", "/v1/rollbacks", ROLLBACK.formatted("v9"), 404);

            canaries(node);
            ended(node, taken(node, "/v1/checkpoints", PUBLISH.formatted("stuck", "/ckpt/stuck")));
            String running = taken(node, "/v1/updates", UPDATE.formatted("stuck"));
            call(node, "GET", "/v1/operations/" + running, null, 200);
            call(node, "GET", "/v1/status", null, 200);
            call(node, "POST", "/v1/updates", UPDATE.formatted("v1"), 409);
            call(node, "POST", "/v1/verifications", VERIFY, 409);

            call(node, "POST", "/v1/rollbacks", ROLLBACK.formatted("v1"), 409);

            history(node);
            turns(node, running);
            arenas(node);
        }
        try (ApiNode node =
                ApiNode.alone("ask-timeout = 300 ms", "ledger.append-timeout = 50 ms", HttpClient.newHttpClient())) {
            for (String route : node.routes()) {
                unanswered(node, route);
            }
        }

        Set<String> missing = new TreeSet<>(OpenApiFile.outcomes());
        missing.removeAll(seen);
        missing.removeIf(outcome -> outcome.endsWith(BUG));
        assertThat(missing).as("described, but not called here").isEmpty();
    }

    private void canaries(ApiNode node) throws Exception {
        ended(node, taken(node, "/v1/checkpoints", PUBLISH.formatted("v2", "/ckpt/v2")));
        call(node, "POST", "/v1/promotions", "{\"model\":\"m\"}", 404);
        call(node, "POST", "/v1/reverts", "{\"model\":\"m\"}", 404);
        for (String decision : List.of("/v1/reverts", "/v1/promotions")) {
            String canary = taken(node, "/v1/updates", CANARY);
            node.await(status -> status.at("/canaries/0/phase").asText().equals("holding"));
            call(node, "GET", "/v1/operations/" + canary, null, 200);
            assertThat(taken(node, decision, "{\"operation\":\"" + canary + "\"}"))
                    .isEqualTo(canary);
            call(node, "GET", "/v1/operations/" + canary + "?waitMs=30000", null, 200);
            String other = decision.equals("/v1/reverts") ? "/v1/promotions" : "/v1/reverts";
            call(node, "POST", other, "{\"operation\":\"" + canary + "\"}", 409);
        }
    }

    private void history(ApiNode node) throws Exception {
        String all = "/v1/history?model=m&since=2020-01-01T00:00:00Z&before=" + Long.MAX_VALUE + "&limit=2";
        JsonNode page = Json.tree(call(node, "GET", all, null, 200).body());
        assertThat(page.get("operations")).as("%s", page).hasSize(2);
        assertThat(page.at("/operations/0/outcome").asText()).isEqualTo("running");
        assertThat(page.at("/operations/0/requester").asText())
                .as("who has the token")
                .isEqualTo("trainer");
        String lines = call(node, "GET", "/v1/history", null, Map.of("Accept", "application/x-ndjson"), 200)
                .body();
        assertThat(lines.lines().map(line -> Json.tree(line).get("kind").asText()))
                .startsWith("update", "publish", "canary", "update")
                .contains("rollback", "verify");
        call(node, "GET", "/v1/history?limit=1001", null, 400);
        call(node, "GET", "/v1/history?until=2020-01-01T00:00:00Z", null, 400);
    }

    private void turns(ApiNode node, String running) throws Exception {
        String wait = "{\"model\":\"m\",\"version\":\"v1\",\"wait\":true}";
        String waiting = taken(node, "/v1/updates", wait);
        call(node, "GET", "/v1/operations/" + waiting, null, 200);
        call(node, "GET", "/v1/status", null, 200);
        call(node, "POST", "/v1/updates", wait, 429);
        call(node, "POST", "/v1/operations/" + waiting + "/cancel", "{}", 200);
        call(node, "POST", "/v1/operations/" + running + "/cancel", "{}", 409);
        call(node, "POST", "/v1/operations/none/cancel", "{}", 404);
        call(node, "GET", "/v1/history", null, 200);
    }

    private void arenas(ApiNode node) throws Exception {
        call(node, "POST", "/v1/arenas", "{\"bytes\":1000,\"machine\":\"machine of h1\"}", 202);
        call(node, "POST", "/v1/arenas", "{\"bytes\":1000,\"host\":\"h9\"}", 404);
        call(node, "GET", LENT + "?waitMs=30000", null, 200);
        call(node, "GET", LENT + "?waitMs=x", null, 400);
        call(node, "GET", "/v1/arenas/none", null, 404);
        call(node, "POST", LENT + "/give-back", "{}", 200);
        call(node, "POST", "/v1/arenas/none/give-back", "{}", 404);
        call(node, "POST", "/v1/arenas/h1" + FakeHost.PUBLISHING + "/give-back", "{}", 409);
    }

    /** What is refused before anybody looks at what the request wants; without a token first. */
    private void refusedForItsForm(ApiNode node, String route) throws Exception {
        String method = route.substring(0, route.indexOf(' '));
        String template = route.substring(route.indexOf(' ') + 1);
        String path = template.replaceAll("\\{[^}]+}", "x");
        if (!path.equals("/healthz")) {
            node.token(null);
            call(node, method, path, null, 401);
            node.token(TOKEN.replace('0', '1'));
            call(node, method, path, null, 401);
        }
        node.token(TOKEN);
        if (method.equals("POST")) {
            tooLarge(node, path);
            call(node, method, path, "{}", Map.of("Content-Type", "text/plain"), 415);
            String unknown = call(node, method, path, "{\"?\":1}", 400).body();
            assertThat(knownFields(unknown)).as(unknown).isEqualTo(OpenApiFile.fields(template));
        }
        assertThat(node.send("DELETE", path, null).statusCode()).isEqualTo(405);
        assertThat(node.send(method, path + "/none/none", null).statusCode()).isEqualTo(404);
        node.token(null);
    }

    /** The server closes before it has read all, and its answer can be lost with the connection: it is asked again then. */
    private void tooLarge(ApiNode node, String path) throws Exception {
        String body = "{\"model\":\"" + "x".repeat(70_000) + "\"}";
        for (int attempt = 1; ; attempt++) {
            try {
                call(node, "POST", path, body, 413);
                return;
            } catch (IOException e) {
                if (attempt == 3) {
                    throw e;
                }
            }
        }
    }

    /** What a server that refuses a field says that it would take. */
    private static Set<String> knownFields(String refusal) {
        Matcher known = KNOWN_FIELDS.matcher(refusal);
        assertThat(known.find()).as(refusal).isTrue();
        Set<String> fields = new TreeSet<>(List.of(known.group(1).split(", ")));
        fields.remove("");
        return fields;
    }

    /** Where nobody is who could carry the command out. */
    private void unanswered(ApiNode node, String route) throws Exception {
        String method = route.substring(0, route.indexOf(' '));
        String template = route.substring(route.indexOf(' ') + 1);
        String path = template.replaceAll("\\{[^}]+}", "x");
        if (method.equals("POST")) {
            call(node, method, path, OpenApiFile.example(template), 503);
            assertThat(withoutBody(node, path)).startsWith("HTTP/1.1 408 ");
            seen.add(OpenApiFile.outcome(method, template, "408"));
        } else if (OpenApiFile.outcomes().contains(route + " 503")) {
            call(node, method, path, null, 503);
        }
    }

    /** The answer to a request whose body never comes. */
    private static String withoutBody(ApiNode node, String path) throws IOException {
        try (Socket socket = new Socket(node.uri().getHost(), node.uri().getPort())) {
            socket.getOutputStream()
                    .write(("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                                    + "Content-Length: 10\r\n\r\n{")
                            .getBytes(StandardCharsets.US_ASCII));
            InputStream in = socket.getInputStream();
            return new String(in.readNBytes(30), StandardCharsets.US_ASCII);
        }
    }

    private String taken(ApiNode node, String path, String body) throws Exception {
        return operation(call(node, "POST", path, body, 202));
    }

    private static String operation(HttpResponse<String> taken) {
        return Json.tree(taken.body()).get("operation").asText();
    }

    private void ended(ApiNode node, String operation) throws Exception {
        String body = call(node, "GET", "/v1/operations/" + operation + "?waitMs=30000", null, 200)
                .body();
        assertThat(Json.tree(body).get("state").asText()).as(body).isEqualTo("succeeded");
    }

    private HttpResponse<String> call(ApiNode node, String method, String path, @Nullable String body, int status)
            throws Exception {
        return call(node, method, path, body, Map.of(), status);
    }

    private HttpResponse<String> call(
            ApiNode node, String method, String path, @Nullable String body, Map<String, String> headers, int status)
            throws Exception {
        HttpResponse<String> response = node.send(method, path, body, headers);
        assertThat(response.statusCode())
                .as("%s %s: %s", method, path, response.body())
                .isEqualTo(status);
        URI uri = node.uri().resolve(path);
        if (status < 300) {
            OpenApiFile.checkRequest(method, uri, body);
        }
        String template = OpenApiFile.template(uri.getPath());
        seen.add(OpenApiFile.outcome(method, String.valueOf(template), String.valueOf(status)));
        return response;
    }
}
