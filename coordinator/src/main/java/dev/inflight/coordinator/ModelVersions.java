package dev.inflight.coordinator;

import dev.inflight.protocol.cluster.CheckpointRef;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A model's versions, oldest first: those of a former coordinator in the natural order of their names, since hosts do
 * not say when they came, then those published since in their order.
 */
final class ModelVersions {
    private final Map<String, CheckpointRef> learned = new TreeMap<>(NaturalOrder.INSTANCE);
    private final Map<String, CheckpointRef> published = new LinkedHashMap<>();

    void published(CheckpointRef checkpoint) {
        if (find(checkpoint.version()) == null) {
            published.put(checkpoint.version(), checkpoint);
        }
    }

    void learned(CheckpointRef checkpoint) {
        if (find(checkpoint.version()) == null) {
            learned.put(checkpoint.version(), checkpoint);
        }
    }

    void drop(String version) {
        learned.remove(version);
        published.remove(version);
    }

    @Nullable
    CheckpointRef find(String version) {
        CheckpointRef known = learned.get(version);
        return known != null ? known : published.get(version);
    }

    Map<String, CheckpointRef> inOrder() {
        Map<String, CheckpointRef> all = new LinkedHashMap<>(learned);
        all.putAll(published);
        return all;
    }
}
