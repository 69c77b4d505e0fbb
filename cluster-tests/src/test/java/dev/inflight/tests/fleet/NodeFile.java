package dev.inflight.tests.fleet;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** What a node of a spec tells the others about itself. */
record NodeFile(long pid, String http) {
    static void write(Path directory, String node, String http) throws IOException {
        byte[] content = new ObjectMapper()
                .writeValueAsBytes(Map.of("pid", ProcessHandle.current().pid(), "http", http));
        Files.write(path(directory, node), content);
    }

    static NodeFile read(Path directory, String node) throws IOException {
        JsonNode content = new ObjectMapper().readTree(path(directory, node).toFile());
        return new NodeFile(content.path("pid").asLong(), content.path("http").asText());
    }

    private static Path path(Path directory, String node) {
        return directory.resolve(node + ".node");
    }
}
