package dev.inflight.cli.model;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.util.List;

/** A model family: which tensors a configuration stands for. Fields are those of the family's {@code config.json}. */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "model_type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = DeepSeekV3.class, name = "deepseek_v3"),
    @JsonSubTypes.Type(value = Llama.class, name = "llama"),
    @JsonSubTypes.Type(value = Qwen3.class, name = "qwen3"),
})
sealed interface Architecture permits DeepSeekV3, Llama, Qwen3 {
    /** Tensors in the model's own order: embeddings, layers, final norm, output head. */
    List<ModelTensor> tensors();
}
