package dev.inflight.cli.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Puts the timelines that the workers wrote of one update into one file, in the trace event format that Perfetto and
 * chrome://tracing open. Workers of one process have the same process id there; each gets one of its own, with its name.
 */
final class TraceMerge {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final ArrayNode events = JSON.createArrayNode();
    private final Map<String, Integer> processes = new HashMap<>();

    private TraceMerge() {}

    /**
     * @param directory has files {@code <epoch>-<worker>.json}
     * @return how many files there were of that epoch; with none nothing is written
     * @throws IOException if one is no trace
     */
    static int merge(Path directory, long epoch, Path target) throws IOException {
        List<Path> files = new ArrayList<>();
        try (DirectoryStream<Path> found = Files.newDirectoryStream(directory, epoch + "-*.json")) {
            found.forEach(files::add);
        }
        Collections.sort(files);
        TraceMerge merge = new TraceMerge();
        for (Path file : files) {
            merge.add(file, epoch);
        }
        if (!files.isEmpty()) {
            ObjectNode trace = JSON.createObjectNode();
            trace.set("traceEvents", merge.events);
            Files.createDirectories(target.toAbsolutePath().getParent());
            JSON.writeValue(target.toFile(), trace);
        }
        return files.size();
    }

    private void add(Path file, long epoch) throws IOException {
        String name = file.getFileName().toString();
        String worker = name.substring(String.valueOf(epoch).length() + 1, name.length() - ".json".length());
        JsonNode added = JSON.readTree(file.toFile()).path("traceEvents");
        if (!added.isArray()) {
            throw new IOException(file + ": no traceEvents in it");
        }
        Set<Integer> unnamed = new HashSet<>();
        Set<Integer> named = new HashSet<>();
        for (JsonNode event : added) {
            ObjectNode copy = event.deepCopy();
            int process =
                    processes.computeIfAbsent(name + " " + event.path("pid").asText(), key -> processes.size() + 1);
            copy.put("pid", process);
            events.add(copy);
            (event.path("name").asText().equals("process_name") ? named : unnamed).add(process);
        }
        unnamed.removeAll(named);
        unnamed.forEach(process -> events.addObject()
                .put("name", "process_name")
                .put("ph", "M")
                .put("pid", process)
                .putObject("args")
                .put("name", worker));
    }
}
