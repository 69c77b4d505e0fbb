package dev.inflight.tests.e2e;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.inflight.tests.Eventually;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.stream.Stream;

/** A coordinator and worker host in one process, started as {@code ./inflight node}. */
final class Nodes implements AutoCloseable {
    private final Launched node;
    private final JsonNode announcement;

    private Nodes(Launched node, JsonNode announcement) {
        this.node = node;
        this.announcement = announcement;
    }

    /** @param workers GPU workers on the host */
    static Nodes start(Path directory, int workers) throws IOException {
        return start(directory, workers, Map.of());
    }

    /**
     * @param workers GPU workers on the host
     * @param environment more of it
     */
    static Nodes start(Path directory, int workers, Map<String, String> environment) throws IOException {
        Path announcement = directory.resolve("node.json");
        Files.deleteIfExists(announcement);
        Launched node = Launched.start(
                environment,
                "node",
                "--role",
                "coordinator,worker",
                "--name",
                "test-" + directory.getFileName(),
                "--workers",
                String.valueOf(workers),
                "--port",
                "0",
                "--http-port",
                "0",
                "--run-dir",
                directory.toString(),
                "--data-dir",
                directory.resolve("ledger").toString(),
                "--announce",
                announcement.toString());
        Eventually.until("the node announces itself", Duration.ofSeconds(90), () -> Files.exists(announcement));
        return new Nodes(node, new ObjectMapper().readTree(announcement.toFile()));
    }

    String http() {
        return announcement.path("http").asText();
    }

    /** The socket of one of its workers. */
    String link(int worker) {
        return announcement.at("/links/" + worker + "/socket").asText();
    }

    /** How many files, sockets and the like its process has open. */
    long descriptors() throws IOException {
        try (Stream<Path> open = Files.list(Path.of("/proc", String.valueOf(node.pid()), "fd"))) {
            return open.count();
        }
    }

    /** Runs a command against this coordinator. */
    Launched command(String... arguments) throws IOException, InterruptedException {
        Launched command = begin(arguments);
        command.awaitEnd();
        return command;
    }

    /** The same without waiting for its end. */
    Launched begin(String... arguments) throws IOException {
        String[] all = new String[arguments.length + 2];
        System.arraycopy(arguments, 0, all, 0, arguments.length);
        all[arguments.length] = "--coordinator";
        all[arguments.length + 1] = http();
        return Launched.start(all);
    }

    /** Ends it as a power cut would. */
    void kill() throws Exception {
        try (node) {
            node.signal("KILL");
            node.awaitEnd();
        }
    }

    /** Stops it as an operator would and waits for the end. */
    @Override
    public void close() throws Exception {
        try (node) {
            node.signal("TERM");
            node.awaitEnd();
        }
    }
}
