package dev.inflight.cli.model;

import java.util.List;

/**
 * A tensor list of about a given size with a real model's names and shapes.
 *
 * <p>From 64 MiB on it is the catalog's dense model and number of layers that come nearest: smollm2-135m, or a Qwen3 with
 * its whole embeddings; above qwen3-8b's size that model with more layers than it has. Below, smollm2-135m is scaled
 * down: widths are divided by a power of two until two layers take at most four fifths of the size, as many layers as
 * that leaves room for, at most its 30, and a vocabulary that fills the rest.
 *
 * @param model the catalog's name of the model
 * @param layers its number of layers here
 * @param tensors the tensors in the model's own order
 */
public record SizedModel(String model, int layers, List<ModelTensor> tensors) {
    /** The smallest size that can be asked for, in bytes. */
    public static final long MIN_BYTES = 64 << 10;

    private static final String SMALLEST = "smollm2-135m";
    private static final long SCALED_BELOW_BYTES = 64 << 20;
    private static final List<String> QWEN = List.of("qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b");
    private static final int LARGEST_NARROWING = 32;

    public SizedModel {
        tensors = List.copyOf(tensors);
    }

    /**
     * The list nearest to {@code bytes}.
     *
     * @throws IllegalArgumentException below {@link #MIN_BYTES}
     */
    public static SizedModel of(long bytes) {
        if (bytes < MIN_BYTES) {
            throw new IllegalArgumentException(
                    "a model of " + bytes + " bytes was asked for; the smallest has " + MIN_BYTES);
        }
        Llama small = ModelCatalog.architecture(SMALLEST, Llama.class);
        if (bytes < SCALED_BELOW_BYTES) {
            return scaledDown(small, bytes);
        }
        SizedModel best = withLayers(SMALLEST, small, nearestLayers(small, bytes, small.numHiddenLayers()));
        for (String name : QWEN) {
            Qwen3 qwen = ModelCatalog.architecture(name, Qwen3.class);
            int most = name.equals(QWEN.getLast()) ? Integer.MAX_VALUE : qwen.numHiddenLayers();
            SizedModel candidate = withLayers(name, qwen, nearestLayers(qwen, bytes, most));
            if (Math.abs(candidate.bytes() - bytes) < Math.abs(best.bytes() - bytes)) {
                best = candidate;
            }
        }
        return best;
    }

    /** Sum of the tensors' sizes in bytes. */
    public long bytes() {
        return sum(tensors);
    }

    private static SizedModel scaledDown(Llama small, long bytes) {
        long forLayers = bytes / 5 * 4;
        int divisor = 1;
        while (divisor < LARGEST_NARROWING && 2 * layerBytes(small.narrowed(divisor)) > forLayers) {
            divisor *= 2;
        }
        Llama narrow = small.narrowed(divisor);
        int layers = Math.clamp(forLayers / layerBytes(narrow), 1, small.numHiddenLayers());
        Llama withoutWords = narrow.withLayers(layers).withVocabulary(0);
        long wordBytes = narrow.hiddenSize() * Short.BYTES;
        long words = Math.max(1, (bytes - sum(withoutWords.tensors())) / wordBytes);
        return new SizedModel(
                SMALLEST, layers, withoutWords.withVocabulary(words).tensors());
    }

    private static int nearestLayers(Architecture model, long bytes, int most) {
        long layer = layerBytes(model);
        long outside = sum(layers(model, 1).tensors()) - layer;
        return Math.clamp(Math.round((double) (bytes - outside) / layer), 1, most);
    }

    private static long layerBytes(Architecture model) {
        return sum(layers(model, 2).tensors()) - sum(layers(model, 1).tensors());
    }

    private static Architecture layers(Architecture model, int layers) {
        return switch (model) {
            case Llama llama -> llama.withLayers(layers);
            case Qwen3 qwen -> qwen.withLayers(layers);
            case DeepSeekV3 other -> throw new IllegalArgumentException("not a dense model: " + other);
        };
    }

    private static SizedModel withLayers(String name, Architecture model, int count) {
        return new SizedModel(name, count, layers(model, count).tensors());
    }

    private static long sum(List<ModelTensor> tensors) {
        return tensors.stream().mapToLong(ModelTensor::bytes).sum();
    }
}
