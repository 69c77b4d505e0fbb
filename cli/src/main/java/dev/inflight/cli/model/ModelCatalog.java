package dev.inflight.cli.model;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.List;

/**
 * Models whose tensor lists can be made without downloading them. Each is a {@code NAME.json} beside this class with the
 * values of its public {@code config.json} that its tensors' shapes follow from.
 */
public final class ModelCatalog {
    private static final List<String> NAMES =
            List.of("kimi-k2", "qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-8b-fp8", "smollm2-135m");

    private static final JsonMapper JSON = JsonMapper.builder()
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
            .build();

    private ModelCatalog() {}

    /** Names of all models, sorted. */
    public static List<String> names() {
        return NAMES;
    }

    /**
     * Tensors of a model in the model's own order.
     *
     * @throws IllegalArgumentException if the name is not in {@link #names()}; the message lists them
     */
    public static List<ModelTensor> tensors(String name) {
        return architecture(name, Architecture.class).tensors();
    }

    static <A extends Architecture> A architecture(String name, Class<A> family) {
        if (!NAMES.contains(name)) {
            throw new IllegalArgumentException(
                    "no model \"" + name + "\" in the catalog; it has " + String.join(", ", NAMES));
        }
        try (InputStream config = ModelCatalog.class.getResourceAsStream(name + ".json")) {
            if (config == null) {
                throw new IllegalStateException(name + ".json is missing from the jar");
            }
            return family.cast(JSON.readValue(config, Architecture.class));
        } catch (IOException e) {
            throw new UncheckedIOException(name + ".json can not be read", e);
        }
    }
}
