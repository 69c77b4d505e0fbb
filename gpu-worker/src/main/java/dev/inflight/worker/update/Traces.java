package dev.inflight.worker.update;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes what the phases and stages of an update did as Chrome trace events, which Perfetto opens: one file for each update and
 * worker, {@code <epoch>-<worker>.json}, times in microseconds of the host's monotonic clock. Thread-safe.
 */
public final class Traces {
    private static final Logger LOG = LoggerFactory.getLogger(Traces.class);
    private static final JsonFactory JSON = new JsonFactory();

    private final @Nullable Path directory;

    /** @param directory where they go, made if missing; null for nowhere */
    public Traces(@Nullable Path directory) {
        this.directory = directory;
    }

    /** A trace that can not be written is only logged: it is no reason to fail an update. */
    void write(long epoch, String worker, Timeline timeline) {
        if (directory == null) {
            return;
        }
        var file = directory.resolve(epoch + "-" + worker.replace('/', '_') + ".json");
        try {
            Files.createDirectories(directory);
            try (var json = JSON.createGenerator(Files.newBufferedWriter(file))) {
                json.writeStartObject();
                json.writeArrayFieldStart("traceEvents");
                for (var entry : timeline.entries()) {
                    write(json, worker, entry);
                }
                json.writeEndArray();
                json.writeEndObject();
            }
        } catch (IOException e) {
            LOG.warn("can not write {}: {}", file, e.toString());
        }
    }

    private static void write(JsonGenerator json, String worker, Timeline.Entry entry) throws IOException {
        json.writeStartObject();
        json.writeStringField("name", entry.name());
        json.writeStringField("cat", entry.track().name());
        json.writeStringField("ph", "X");
        json.writeStringField("pid", worker);
        json.writeStringField("tid", entry.track().label());
        json.writeNumberField("ts", entry.span().begin() / 1e3);
        json.writeNumberField("dur", entry.span().nanos() / 1e3);
        json.writeEndObject();
    }
}
