package dev.inflight.tests.fleet;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.inflight.protocol.link.TensorParallel;
import dev.inflight.tests.Eventually;
import dev.inflight.tests.multijvm.ClassArchive;
import dev.inflight.tests.multijvm.MultiJvm;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.LongFunction;
import java.util.stream.Collectors;

/** A real engine in a process of its own. */
public final class EngineProcess {
    private static final Duration START_LIMIT = Duration.ofSeconds(60);
    private static final Duration END_LIMIT = Duration.ofSeconds(10);
    private static final int QUESTIONS = 20;

    private final Process process;
    private final boolean makesArchive;
    private final String id;
    private final URI http;
    private final TensorParallel share;
    private final HttpClient client =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    private EngineProcess(Process process, boolean makesArchive, String id, URI http, TensorParallel share) {
        this.makesArchive = makesArchive;
        this.share = share;
        this.process = process;
        this.id = id;
        this.http = http;
    }

    /**
     * Starts a reference engine and returns when it answers HTTP; its log and announcement go to {@code directory}.
     *
     * @param share what it holds of each tensor
     */
    public static EngineProcess start(Path directory, String id, String model, Path link, TensorParallel share)
            throws IOException {
        Path announcement = directory.resolve(id + ".json");
        Files.deleteIfExists(announcement);
        List<String> command = new ArrayList<>(MultiJvm.jvm(ClassArchive.flags("engine"), "-Xmx64m"));
        command.addAll(List.of("-cp", ClassArchive.classPath(), "dev.inflight.engine.ReferenceEngine"));
        command.addAll(List.of("--link", link.toString(), "--id", id, "--model", model));
        command.addAll(List.of("--modes", "in-place,shadow", "--http-port", "0"));
        command.addAll(List.of("--tp-rank", String.valueOf(share.rank()), "--tp-size", String.valueOf(share.size())));
        command.addAll(List.of(
                "--slices",
                share.rules().stream()
                        .map(rule -> rule.pattern() + "=" + rule.dim())
                        .collect(Collectors.joining(","))));
        command.addAll(List.of("--announce", announcement.toString()));
        command.addAll(List.of(
                "--exit-with-parent", String.valueOf(ProcessHandle.current().pid())));
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(
                        directory.resolve(id + ".log").toFile()))
                .start();
        Eventually.until(id + " announces itself", START_LIMIT, () -> Files.exists(announcement));
        JsonNode announced = new ObjectMapper().readTree(announcement.toFile());
        return new EngineProcess(
                process,
                ClassArchive.isMadeBy(command),
                id,
                URI.create(announced.path("http").asText()),
                share);
    }

    /** What it holds of each tensor. */
    public TensorParallel share() {
        return share;
    }

    public String id() {
        return id;
    }

    public URI http() {
        return http;
    }

    /** Ends the process with SIGKILL and returns when it is gone. */
    public void kill() {
        process.destroyForcibly();
        process.onExit().join();
    }

    /** Ends the process when nobody needs it any more. */
    public void end() throws InterruptedException {
        if (makesArchive) {
            process.destroy();
            process.waitFor(END_LIMIT.toSeconds(), TimeUnit.SECONDS);
        }
        kill();
    }

    /** The engine's health body, whatever its status code. */
    public JsonNode health() throws IOException, InterruptedException {
        return new ObjectMapper().readTree(get("/health").body());
    }

    /** Asserts that its answers name the version and are exactly those of its weights. */
    public void requireServing(String version, LongFunction<String> answers) throws IOException, InterruptedException {
        SplittableRandom seeds = new SplittableRandom(id.hashCode());
        for (int question = 0; question < QUESTIONS; question++) {
            long seed = seeds.nextLong();
            HttpResponse<byte[]> response = get("/answer?seed=" + Long.toUnsignedString(seed));
            assertThat(response.statusCode()).as("answer of %s", id).isEqualTo(200);
            JsonNode answer = new ObjectMapper().readTree(response.body());
            assertThat(answer.path("version").asText()).as("version of %s", id).isEqualTo(version);
            assertThat(answer.path("digest").asText())
                    .as("answer of %s to seed %s", id, seed)
                    .isEqualTo(answers.apply(seed));
        }
    }

    private HttpResponse<byte[]> get(String path) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(http.resolve(path))
                .timeout(Duration.ofSeconds(60))
                .build();
        return client.send(request, HttpResponse.BodyHandlers.ofByteArray());
    }
}
