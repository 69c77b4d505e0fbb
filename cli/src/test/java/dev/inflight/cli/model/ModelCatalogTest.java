package dev.inflight.cli.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.inflight.protocol.checkpoint.Dtype;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class ModelCatalogTest {
    /** Parameter counts as the models' publishers and transformers give them. */
    @ParameterizedTest
    @CsvSource({
        "smollm2-135m, 134515008",
        "qwen3-0.6b, 596049920",
        "qwen3-1.7b, 1720574976",
        "qwen3-4b, 4022468096",
        "qwen3-8b, 8190735360",
    })
    void denseModelsHaveTheirPublishedNumberOfParameters(String model, long parameters) {
        assertThat(bytes(ModelCatalog.tensors(model))).isEqualTo(parameters * 2);
    }

    @Test
    void kimiK2HasATrillionBytesInItsExperts() {
        List<ModelTensor> tensors = ModelCatalog.tensors("kimi-k2");

        assertThat(tensors).hasSizeBetween(135_000, 155_000);
        assertThat(bytes(tensors)).isBetween(1_025_000_000_000L, 1_035_000_000_000L);
        assertThat(tensors)
                .contains(
                        ModelTensor.of("model.layers.60.mlp.experts.383.down_proj.weight", Dtype.F8_E4M3, 7168, 2048),
                        ModelTensor.of("model.layers.60.mlp.experts.383.down_proj.weight_scale_inv", Dtype.F32, 56, 16),
                        ModelTensor.of("model.layers.0.mlp.gate_proj.weight", Dtype.F8_E4M3, 18432, 7168),
                        ModelTensor.of(
                                "model.layers.3.self_attn.kv_a_proj_with_mqa.weight_scale_inv", Dtype.F32, 5, 56),
                        ModelTensor.of("lm_head.weight", Dtype.BF16, 163840, 7168));
    }

    @Test
    void anFp8ModelHasTheSameParametersAndAScaleForEachBlockOfItsProjections() {
        List<ModelTensor> tensors = ModelCatalog.tensors("qwen3-8b-fp8");

        assertThat(tensors)
                .hasSize(399 + 36 * 7)
                .contains(
                        ModelTensor.of("model.layers.35.mlp.down_proj.weight", Dtype.F8_E4M3, 4096, 12288),
                        ModelTensor.of("model.layers.35.mlp.down_proj.weight_scale_inv", Dtype.BF16, 32, 96),
                        ModelTensor.of("model.layers.0.self_attn.q_norm.weight", Dtype.BF16, 128),
                        ModelTensor.of("lm_head.weight", Dtype.BF16, 151936, 4096));
        assertThat(bytes(tensors)).isBetween(9_430_000_000L, 9_450_000_000L);
    }

    @ParameterizedTest
    @MethodSource("dev.inflight.cli.model.ModelCatalog#names")
    void namesAreUnique(String model) {
        assertThat(ModelCatalog.tensors(model)).extracting(ModelTensor::name).doesNotHaveDuplicates();
    }

    @Test
    void anUnknownModelIsRefusedWithTheOnesThereAre() {
        assertThatThrownBy(() -> ModelCatalog.tensors("gpt-5"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("no model \"gpt-5\"")
                .hasMessageContaining("kimi-k2, qwen3-0.6b");
    }

    private static long bytes(List<ModelTensor> tensors) {
        return tensors.stream().mapToLong(ModelTensor::bytes).sum();
    }
}
