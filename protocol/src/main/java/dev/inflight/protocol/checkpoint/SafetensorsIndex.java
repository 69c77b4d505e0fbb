package dev.inflight.protocol.checkpoint;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * The index of a checkpoint in several files, {@code model.safetensors.index.json}.
 *
 * @param file name of the index file
 * @param weightMap file of every tensor
 */
public record SafetensorsIndex(String file, Map<String, String> weightMap) {
    /** The index file's name in a checkpoint directory. */
    public static final String FILE_NAME = "model.safetensors.index.json";

    private static final String WEIGHT_MAP = "weight_map";

    public SafetensorsIndex {
        weightMap = Map.copyOf(weightMap);
    }

    /** @throws CheckpointException if the index breaks its format */
    public static SafetensorsIndex parse(String fileName, byte[] json) {
        JsonCursor cursor = new JsonCursor(fileName, "index", json);
        Map<String, String> weightMap = null;
        cursor.beginObject("the JSON");
        for (String field = cursor.nextField(); field != null; field = cursor.nextField()) {
            if (!field.equals(WEIGHT_MAP)) {
                cursor.skip();
            } else if (weightMap == null) {
                weightMap = weightMap(cursor);
            } else {
                throw cursor.refuse("has the field " + WEIGHT_MAP + " twice");
            }
        }
        cursor.end();
        if (weightMap == null || weightMap.isEmpty()) {
            throw cursor.refuse("has no " + WEIGHT_MAP + " entries");
        }
        return new SafetensorsIndex(fileName, weightMap);
    }

    private static Map<String, String> weightMap(JsonCursor cursor) {
        cursor.beginObject(WEIGHT_MAP);
        Map<String, String> entries = new HashMap<>();
        for (String tensor = cursor.nextField(); tensor != null; tensor = cursor.nextField()) {
            if (entries.put(tensor, cursor.string(WEIGHT_MAP + " entry " + CheckpointException.quote(tensor)))
                    != null) {
                throw cursor.refuse(WEIGHT_MAP + " has tensor " + CheckpointException.quote(tensor) + " twice");
            }
        }
        return entries;
    }

    /** Names of the files, sorted. */
    public List<String> files() {
        return weightMap.values().stream().distinct().sorted().toList();
    }

    /** @throws CheckpointException if the files hold other tensors than the index says, or in other files */
    public void requireAgreement(CheckpointLayout layout) {
        for (TensorSpec tensor : layout.tensors()) {
            String actual = layout.files().get(tensor.file()).name();
            if (!Objects.equals(weightMap.get(tensor.name()), actual)) {
                throw CheckpointException.ofTensor(
                        file,
                        tensor.name(),
                        weightMap.containsKey(tensor.name())
                                ? "is in " + actual + " but the index says " + weightMap.get(tensor.name())
                                : "is in " + actual + " but not in the index");
            }
        }
        if (layout.tensors().size() != weightMap.size()) {
            Map<String, String> missing = new HashMap<>(weightMap);
            layout.tensors().forEach(tensor -> missing.remove(tensor.name()));
            String tensor = missing.keySet().stream().sorted().findFirst().orElseThrow();
            throw CheckpointException.ofTensor(file, tensor, "is not in " + missing.get(tensor) + " as the index says");
        }
    }
}
