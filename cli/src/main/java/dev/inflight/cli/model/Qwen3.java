package dev.inflight.cli.model;

import com.fasterxml.jackson.databind.PropertyNamingStrategies.SnakeCaseStrategy;
import com.fasterxml.jackson.databind.annotation.JsonNaming;
import dev.inflight.protocol.checkpoint.Dtype;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * {@code Qwen3ForCausalLM} of transformers: a dense decoder that norms queries and keys per head. BF16, or with
 * projections in FP8 whose scales are BF16.
 *
 * @param quantizationConfig null for BF16
 */
@JsonNaming(SnakeCaseStrategy.class)
record Qwen3(
        long hiddenSize,
        long intermediateSize,
        int numHiddenLayers,
        long numAttentionHeads,
        long numKeyValueHeads,
        long headDim,
        long vocabSize,
        boolean tieWordEmbeddings,
        @Nullable BlockScales quantizationConfig)
        implements Architecture {
    @Override
    public List<ModelTensor> tensors() {
        DenseDecoder decoder = new DenseDecoder(
                hiddenSize, intermediateSize, numAttentionHeads * headDim, numKeyValueHeads * headDim, vocabSize);
        List<ModelTensor> tensors = new ArrayList<>();
        decoder.embeddings(tensors);
        for (int layer = 0; layer < numHiddenLayers; layer++) {
            String attention = "model.layers." + layer + ".self_attn.";
            decoder.layer(layer, tensors);
            tensors.add(ModelTensor.of(attention + "q_norm.weight", Dtype.BF16, headDim));
            tensors.add(ModelTensor.of(attention + "k_norm.weight", Dtype.BF16, headDim));
        }
        decoder.head(tieWordEmbeddings, tensors);
        return quantizationConfig == null ? tensors : quantised(tensors, quantizationConfig);
    }

    private static List<ModelTensor> quantised(List<ModelTensor> tensors, BlockScales scales) {
        List<ModelTensor> quantised = new ArrayList<>();
        for (ModelTensor tensor : tensors) {
            if (tensor.name().endsWith("_proj.weight")) {
                String projection = tensor.name().substring(0, tensor.name().length() - ".weight".length());
                scales.quantised(
                        projection, tensor.shape().getFirst(), tensor.shape().getLast(), Dtype.BF16, quantised);
            } else {
                quantised.add(tensor);
            }
        }
        return quantised;
    }

    Qwen3 withLayers(int layers) {
        return new Qwen3(
                hiddenSize,
                intermediateSize,
                layers,
                numAttentionHeads,
                numKeyValueHeads,
                headDim,
                vocabSize,
                tieWordEmbeddings,
                quantizationConfig);
    }
}
