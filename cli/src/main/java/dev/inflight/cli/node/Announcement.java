package dev.inflight.cli.node;

import akka.actor.typed.ActorSystem;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The file in which a node says how to reach it, for whoever started it on free ports. */
final class Announcement {
    private final Map<String, @Nullable Object> fields = new LinkedHashMap<>();

    Announcement(ActorSystem<?> system, NodeOptions options) {
        fields.put("node", options.name());
        fields.put("roles", List.copyOf(options.roles()));
        fields.put("akka", Node.address(system));
        fields.put("http", null);
        fields.put("links", List.of());
    }

    void http(URI uri) {
        fields.put("http", uri.toString());
    }

    /** @param sockets engine-link socket by worker id */
    void links(Map<String, Path> sockets) {
        fields.put(
                "links",
                sockets.entrySet().stream()
                        .map(e -> Map.of(
                                "worker", e.getKey(), "socket", e.getValue().toString()))
                        .toList());
    }

    /** Writes the file whole or not at all; nothing if {@code file} is null. */
    void write(@Nullable Path file) {
        if (file == null) {
            return;
        }
        try {
            var draft = file.resolveSibling(file.getFileName() + ".tmp");
            Files.write(draft, new ObjectMapper().writeValueAsBytes(fields));
            Files.move(draft, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new UncheckedIOException(file + ": can not write the announcement: " + e.getMessage(), e);
        }
    }
}
