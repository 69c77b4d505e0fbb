package dev.inflight.tests.fleet;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.inflight.cli.demo.FreePort;
import dev.inflight.tests.Eventually;
import dev.inflight.tests.multijvm.ClassArchive;
import dev.inflight.tests.multijvm.MultiJvm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A node as {@code inflight node} runs it, at an address that it keeps over restarts: it can be killed, stopped for a
 * moment and started again. Used by one thread.
 */
public final class NodeProcess {
    private static final Duration START_LIMIT = Duration.ofSeconds(90);

    private final Path directory;
    private final String role;
    private final String name;
    private final List<String> settings;
    private final int port;
    private @Nullable Process process;

    /**
     * @param directory for its log, announcement, sockets and ledger
     * @param role {@code coordinator} or {@code worker}
     * @param settings as {@code path=value}
     */
    NodeProcess(Path directory, String role, String name, List<String> settings) {
        this.directory = directory;
        this.role = role;
        this.name = name;
        this.settings = List.copyOf(settings);
        this.port = FreePort.choose();
    }

    public String name() {
        return name;
    }

    String address() {
        return "akka://inflight@127.0.0.1:" + port;
    }

    /** Where its engine connects. */
    Path socket() {
        return directory.resolve(name + "-0.sock");
    }

    /** Starts its process; {@link #awaitUp} waits for it. */
    void start(List<String> seeds) throws IOException {
        Files.deleteIfExists(announcement());
        List<String> command = new ArrayList<>(MultiJvm.jvm(ClassArchive.existing(role), "-Xmx256m"));
        command.add("-Dinflight.home=" + Path.of("..").toAbsolutePath().normalize());
        // Its class path holds the multi-node testkit too.
        command.add("-Dakka.fail-mixed-versions=off");
        settings.forEach(setting -> command.add("-D" + setting));
        command.addAll(List.of("-cp", ClassArchive.classPath(), "dev.inflight.cli.Inflight", "node"));
        command.addAll(List.of("--role", role, "--name", name, "--port", String.valueOf(port)));
        seeds.forEach(seed -> command.addAll(List.of("--seed", seed)));
        command.addAll(List.of("--run-dir", directory.toString()));
        command.addAll(List.of("--announce", announcement().toString()));
        command.addAll(List.of(
                "--exit-with-parent", String.valueOf(ProcessHandle.current().pid())));
        if (role.equals("coordinator")) {
            command.addAll(List.of("--http-port", "0"));
            command.addAll(
                    List.of("--data-dir", directory.resolve("ledger-" + name).toString()));
        }
        process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(
                        directory.resolve(name + ".log").toFile()))
                .start();
    }

    /** @return what it announced */
    JsonNode awaitUp() throws IOException {
        Eventually.until(name + " is up", START_LIMIT, () -> {
            if (!running().isAlive()) {
                throw new IllegalStateException(
                        name + " ended with " + running().exitValue());
            }
            return Files.exists(announcement());
        });
        return new ObjectMapper().readTree(announcement().toFile());
    }

    /** Ends it with SIGKILL and returns when it is gone. */
    public void kill() {
        running().destroyForcibly();
        running().onExit().join();
    }

    /** From now on it does nothing, and its machine goes on taking connections for it. */
    public void pause() throws IOException, InterruptedException {
        signal("STOP");
    }

    public void resume() throws IOException, InterruptedException {
        signal("CONT");
    }

    private void signal(String name) throws IOException, InterruptedException {
        new ProcessBuilder("kill", "-" + name, String.valueOf(running().pid()))
                .inheritIO()
                .start()
                .waitFor();
    }

    /** @return its exit code, once it has ended by itself */
    public int awaitExit() {
        Eventually.until(name + " ends", START_LIMIT, () -> !running().isAlive());
        return running().exitValue();
    }

    /** Ends it, whether or not it was started. */
    void end() {
        if (process != null) {
            kill();
        }
    }

    Process process() {
        return running();
    }

    private Process running() {
        if (process == null) {
            throw new IllegalStateException(name + " was not started");
        }
        return process;
    }

    private Path announcement() {
        return directory.resolve(name + ".json");
    }
}
