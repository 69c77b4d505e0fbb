package dev.inflight.cli.model;

import com.fasterxml.jackson.databind.PropertyNamingStrategies.SnakeCaseStrategy;
import com.fasterxml.jackson.databind.annotation.JsonNaming;
import dev.inflight.protocol.checkpoint.Dtype;
import java.util.ArrayList;
import java.util.List;

/** {@code Qwen3ForCausalLM} of transformers, BF16: a dense decoder that norms queries and keys per head. */
@JsonNaming(SnakeCaseStrategy.class)
record Qwen3(
        long hiddenSize,
        long intermediateSize,
        int numHiddenLayers,
        long numAttentionHeads,
        long numKeyValueHeads,
        long headDim,
        long vocabSize,
        boolean tieWordEmbeddings)
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
        return tensors;
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
                tieWordEmbeddings);
    }
}
