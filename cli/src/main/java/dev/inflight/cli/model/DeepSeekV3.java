package dev.inflight.cli.model;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.PropertyNamingStrategies.SnakeCaseStrategy;
import com.fasterxml.jackson.databind.annotation.JsonNaming;
import dev.inflight.protocol.checkpoint.Dtype;
import java.util.ArrayList;
import java.util.List;

/**
 * {@code DeepseekV3ForCausalLM}: latent attention and a mixture of experts. Projections are FP8 E4M3 with one F32 scale
 * per block; embeddings, norms, router and head are not quantised.
 */
@JsonNaming(SnakeCaseStrategy.class)
record DeepSeekV3(
        long hiddenSize,
        long intermediateSize,
        long moeIntermediateSize,
        int numHiddenLayers,
        @JsonProperty("first_k_dense_replace") int firstKDenseReplace,
        int nRoutedExperts,
        int nSharedExperts,
        long numAttentionHeads,
        long qLoraRank,
        long kvLoraRank,
        long qkNopeHeadDim,
        long qkRopeHeadDim,
        long vHeadDim,
        long vocabSize,
        BlockScales quantizationConfig)
        implements Architecture {
    @Override
    public List<ModelTensor> tensors() {
        List<ModelTensor> tensors = new ArrayList<>();
        tensors.add(ModelTensor.of("model.embed_tokens.weight", Dtype.BF16, vocabSize, hiddenSize));
        for (int layer = 0; layer < numHiddenLayers; layer++) {
            String prefix = "model.layers." + layer + ".";
            tensors.add(ModelTensor.of(prefix + "input_layernorm.weight", Dtype.BF16, hiddenSize));
            attention(prefix + "self_attn.", tensors);
            tensors.add(ModelTensor.of(prefix + "post_attention_layernorm.weight", Dtype.BF16, hiddenSize));
            if (layer < firstKDenseReplace) {
                gatedMlp(prefix + "mlp.", intermediateSize, tensors);
            } else {
                mixture(prefix + "mlp.", tensors);
            }
        }
        tensors.add(ModelTensor.of("model.norm.weight", Dtype.BF16, hiddenSize));
        tensors.add(ModelTensor.of("lm_head.weight", Dtype.BF16, vocabSize, hiddenSize));
        return tensors;
    }

    private void attention(String prefix, List<ModelTensor> tensors) {
        quantised(prefix + "q_a_proj", qLoraRank, hiddenSize, tensors);
        tensors.add(ModelTensor.of(prefix + "q_a_layernorm.weight", Dtype.BF16, qLoraRank));
        quantised(prefix + "q_b_proj", numAttentionHeads * (qkNopeHeadDim + qkRopeHeadDim), qLoraRank, tensors);
        quantised(prefix + "kv_a_proj_with_mqa", kvLoraRank + qkRopeHeadDim, hiddenSize, tensors);
        tensors.add(ModelTensor.of(prefix + "kv_a_layernorm.weight", Dtype.BF16, kvLoraRank));
        quantised(prefix + "kv_b_proj", numAttentionHeads * (qkNopeHeadDim + vHeadDim), kvLoraRank, tensors);
        quantised(prefix + "o_proj", hiddenSize, numAttentionHeads * vHeadDim, tensors);
    }

    private void mixture(String prefix, List<ModelTensor> tensors) {
        tensors.add(ModelTensor.of(prefix + "gate.weight", Dtype.BF16, nRoutedExperts, hiddenSize));
        tensors.add(ModelTensor.of(prefix + "gate.e_score_correction_bias", Dtype.F32, nRoutedExperts));
        for (int expert = 0; expert < nRoutedExperts; expert++) {
            gatedMlp(prefix + "experts." + expert + ".", moeIntermediateSize, tensors);
        }
        gatedMlp(prefix + "shared_experts.", moeIntermediateSize * nSharedExperts, tensors);
    }

    private void gatedMlp(String prefix, long intermediate, List<ModelTensor> tensors) {
        quantised(prefix + "gate_proj", intermediate, hiddenSize, tensors);
        quantised(prefix + "up_proj", intermediate, hiddenSize, tensors);
        quantised(prefix + "down_proj", hiddenSize, intermediate, tensors);
    }

    private void quantised(String projection, long rows, long columns, List<ModelTensor> tensors) {
        quantizationConfig.quantised(projection, rows, columns, Dtype.F32, tensors);
    }
}
