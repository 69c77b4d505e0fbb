package dev.inflight.cli.model;

import com.fasterxml.jackson.databind.PropertyNamingStrategies.SnakeCaseStrategy;
import com.fasterxml.jackson.databind.annotation.JsonNaming;
import java.util.ArrayList;
import java.util.List;

/** {@code LlamaForCausalLM} of transformers, BF16. */
@JsonNaming(SnakeCaseStrategy.class)
record Llama(
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
            decoder.layer(layer, tensors);
        }
        decoder.head(tieWordEmbeddings, tensors);
        return tensors;
    }

    Llama withLayers(int layers) {
        return new Llama(
                hiddenSize,
                intermediateSize,
                layers,
                numAttentionHeads,
                numKeyValueHeads,
                headDim,
                vocabSize,
                tieWordEmbeddings);
    }

    Llama withVocabulary(long words) {
        return new Llama(
                hiddenSize,
                intermediateSize,
                numHiddenLayers,
                numAttentionHeads,
                numKeyValueHeads,
                headDim,
                words,
                tieWordEmbeddings);
    }

    /** The same number of heads, every width divided by {@code divisor}. */
    Llama narrowed(int divisor) {
        return new Llama(
                hiddenSize / divisor,
                intermediateSize / divisor,
                numHiddenLayers,
                numAttentionHeads,
                numKeyValueHeads,
                headDim / divisor,
                vocabSize,
                tieWordEmbeddings);
    }
}
