package dev.inflight.tests.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.inflight.tests.Eventually;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** One run of the {@code ./inflight} launcher. */
final class Launched implements AutoCloseable {
    static final Path HOME = Path.of("..").toAbsolutePath().normalize();

    private static final Duration LIMIT = Duration.ofMinutes(3);

    private final Process process;
    private final MarkedProcesses processes;
    private final Path out;
    private final Path err;

    private Launched(Process process, MarkedProcesses processes, Path out, Path err) {
        this.process = process;
        this.processes = processes;
        this.out = out;
        this.err = err;
    }

    /** Starts a command; its output goes to files under target/e2e. */
    static Launched start(String... arguments) throws IOException {
        return start(Map.of(), arguments);
    }

    /** The same with more in its environment. */
    static Launched start(Map<String, String> environment, String... arguments) throws IOException {
        MarkedProcesses processes = new MarkedProcesses();
        Path logs = Files.createDirectories(Path.of("target", "e2e"));
        Path out = logs.resolve(processes.mark() + ".out");
        Path err = logs.resolve(processes.mark() + ".err");
        // A shell that runs the build in the background makes it ignore Ctrl-C, which children inherit.
        List<String> command = new ArrayList<>(List.of("env", "--default-signal=INT"));
        command.add(HOME.resolve("inflight").toString());
        command.addAll(List.of(arguments));
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile());
        builder.environment().putAll(environment);
        builder.environment().put(MarkedProcesses.VARIABLE, processes.mark());
        return new Launched(builder.start(), processes, out, err);
    }

    /** Runs a command to its end. */
    static Launched run(String... arguments) throws IOException, InterruptedException {
        Launched launched = start(arguments);
        launched.awaitEnd();
        return launched;
    }

    void awaitEnd() throws InterruptedException {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (!process.waitFor(100, TimeUnit.MILLISECONDS)) {
            // Notes the runs it makes, to look for their traces later.
            processes.alive();
            if (System.nanoTime() > deadline) {
                throw new AssertionError("still running after " + LIMIT.toSeconds() + " s; its output is in " + out);
            }
        }
    }

    /** The launcher becomes the JVM that it starts. */
    long pid() {
        return process.pid();
    }

    int exitCode() {
        return process.exitValue();
    }

    String out() throws IOException {
        return Files.readString(out);
    }

    String err() throws IOException {
        return Files.readString(err);
    }

    /** The only thing on standard output, which must be one JSON object on one line. */
    JsonNode json() throws IOException {
        assertThat(out().lines())
                .as("standard output; standard error was: %s", err())
                .hasSize(1);
        JsonNode json = new ObjectMapper().readTree(out());
        assertThat(json.isObject()).isTrue();
        return json;
    }

    /** Sends a signal to the command alone, not to what it started. */
    void signal(String name) throws IOException, InterruptedException {
        new ProcessBuilder("kill", "-" + name, String.valueOf(process.pid()))
                .inheritIO()
                .start()
                .waitFor();
    }

    MarkedProcesses processes() {
        return processes;
    }

    /** Asserts that no process of it is left, and waits a little for the last ones to go. */
    void requireNoProcesses(Duration limit) {
        Eventually.until(
                "no process is left: " + processes.alive(),
                limit,
                () -> processes.alive().isEmpty());
    }

    /** Asserts that its run directory and shared memory are gone. */
    void requireNoFiles() throws IOException {
        assertThat(processes.runs()).as("runs seen").isNotEmpty();
        assertThat(processes.files()).isEmpty();
    }

    /** Asserts that of its files only the logs it kept are left, and removes them. */
    void requireOnlyLogs() throws IOException {
        assertThat(processes.files())
                .singleElement()
                .satisfies(logs -> assertThat(logs.getFileName().toString()).startsWith("inflight-logs-"));
        Path logs = processes.files().getFirst();
        try (Stream<Path> files = Files.list(logs)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(logs);
    }

    /** Ends it and everything it started. */
    @Override
    public void close() {
        process.destroy();
        for (String line : processes.alive()) {
            ProcessHandle.of(Long.parseLong(line.substring(0, line.indexOf(' '))))
                    .ifPresent(ProcessHandle::destroyForcibly);
        }
    }
}
