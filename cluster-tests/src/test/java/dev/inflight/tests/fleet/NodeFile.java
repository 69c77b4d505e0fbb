package dev.inflight.tests.fleet;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/**
 * What a node of a spec tells the others about itself.
 *
 * @param akka its address in the cluster
 * @param http where its HTTP API listens; empty if it has none
 */
record NodeFile(long pid, String akka, String http) {
    /** Port of its address in the cluster. */
    int port() {
        return Integer.parseInt(akka.substring(akka.lastIndexOf(':') + 1));
    }

    /** Where the process of a node keeps its ledger, if it has one. */
    static Path ledger(Path directory, long pid) {
        return directory.resolve("ledger-" + pid);
    }

    static void write(Path directory, String node, String akka, String http) throws IOException {
        byte[] content = new ObjectMapper()
                .writeValueAsBytes(Map.of("pid", ProcessHandle.current().pid(), "akka", akka, "http", http));
        Files.write(path(directory, node), content);
    }

    static NodeFile read(Path directory, String node) throws IOException {
        JsonNode content = new ObjectMapper().readTree(path(directory, node).toFile());
        return new NodeFile(
                content.path("pid").asLong(),
                content.path("akka").asText(),
                content.path("http").asText());
    }

    private static Path path(Path directory, String node) {
        return directory.resolve(node + ".node");
    }
}
