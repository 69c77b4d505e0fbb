package dev.inflight.cli.model;

import dev.inflight.protocol.checkpoint.Dtype;
import java.util.List;

/** What dense decoders share: embeddings, grouped-query attention, a gated MLP, RMS norms, an output head. */
record DenseDecoder(long hidden, long intermediate, long queryWidth, long keyValueWidth, long vocabulary) {
    void embeddings(List<ModelTensor> tensors) {
        tensors.add(ModelTensor.of("model.embed_tokens.weight", Dtype.BF16, vocabulary, hidden));
    }

    void layer(int index, List<ModelTensor> tensors) {
        String layer = "model.layers." + index + ".";
        tensors.add(ModelTensor.of(layer + "input_layernorm.weight", Dtype.BF16, hidden));
        tensors.add(ModelTensor.of(layer + "mlp.down_proj.weight", Dtype.BF16, hidden, intermediate));
        tensors.add(ModelTensor.of(layer + "mlp.gate_proj.weight", Dtype.BF16, intermediate, hidden));
        tensors.add(ModelTensor.of(layer + "mlp.up_proj.weight", Dtype.BF16, intermediate, hidden));
        tensors.add(ModelTensor.of(layer + "post_attention_layernorm.weight", Dtype.BF16, hidden));
        tensors.add(ModelTensor.of(layer + "self_attn.k_proj.weight", Dtype.BF16, keyValueWidth, hidden));
        tensors.add(ModelTensor.of(layer + "self_attn.o_proj.weight", Dtype.BF16, hidden, queryWidth));
        tensors.add(ModelTensor.of(layer + "self_attn.q_proj.weight", Dtype.BF16, queryWidth, hidden));
        tensors.add(ModelTensor.of(layer + "self_attn.v_proj.weight", Dtype.BF16, keyValueWidth, hidden));
    }

    /** A tied head is the embeddings again and has no tensor of its own. */
    void head(boolean tied, List<ModelTensor> tensors) {
        tensors.add(ModelTensor.of("model.norm.weight", Dtype.BF16, hidden));
        if (!tied) {
            tensors.add(ModelTensor.of("lm_head.weight", Dtype.BF16, vocabulary, hidden));
        }
    }
}
