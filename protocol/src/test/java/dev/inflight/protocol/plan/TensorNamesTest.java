package dev.inflight.protocol.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TensorNamesTest {
    @ParameterizedTest
    @CsvSource({
        "model.layers.7.self_attn.q_proj.weight, model.layers.7.self_attn",
        "model.layers.7.mlp.gate_proj.weight, model.layers.7.mlp",
        "model.layers.7.mlp.experts.12.up_proj.weight_scale_inv, model.layers.7.mlp.experts",
        "model.layers.7.mlp.shared_experts.up_proj.weight, model.layers.7.mlp",
        "model.layers.7.input_layernorm.weight, model.layers.7.input_layernorm",
        "model.embed_tokens.weight, model.embed_tokens",
        "lm_head.weight, lm_head",
        "encoder.layer.0.attention.self.query.bias, encoder.layer.0.attention",
        "features.0.weight, features.0",
        "layers.0, layers",
        "scalar, ''",
        ".hidden, ''",
    })
    void aModuleIsTheSubmoduleOfADecoderLayer(String name, String module) {
        assertThat(name.substring(0, TensorNames.moduleLength(name))).isEqualTo(module);
    }

    @ParameterizedTest
    @CsvSource({
        "weight, weight",
        "weight_scale_inv, weight",
        "weight_scale, weight",
        "weight_packed, weight",
        "qweight, weight",
        "qzeros, weight",
        "scales, weight",
        "gate_up_proj_blocks, gate_up_proj",
        "gate_up_proj_scales, gate_up_proj",
        "bias, bias",
        "_scale, _scale",
    })
    void companionsHaveTheStemOfTheirWeight(String parameter, String stem) {
        assertThat(TensorNames.stem(parameter)).isEqualTo(stem);
    }

    @Test
    void modulesSplitIntoExpertsThenProjectionsThenWeightsWithScales() {
        LayoutBuilder layout = new LayoutBuilder();
        for (int expert = 0; expert < 2; expert++) {
            for (String projection : List.of("gate_proj", "up_proj")) {
                String name = "model.layers.0.mlp.experts." + expert + "." + projection;
                layout.tensor(name + ".weight", 1000).tensor(name + ".weight_scale_inv", 4);
            }
        }
        var tensors = layout.build().tensors();
        List<ModuleGroup> modules = ModuleGroup.modules(tensors, Sharding.wholeTensors(tensors));

        List<ModuleGroup> experts = modules.getFirst().split(tensors);
        List<ModuleGroup> projections = experts.getFirst().split(tensors);

        assertThat(modules).hasSize(1);
        assertThat(experts).hasSize(2);
        assertThat(projections).hasSize(2);
        assertThat(projections.getFirst().slices()).extracting(Slice::tensor).containsExactly(0, 1);
        assertThat(projections.getFirst().split(tensors)).containsExactly(projections.getFirst());
    }

    @Test
    void oddNamesAreGroupedWithoutConfusion() {
        var tensors = new LayoutBuilder()
                .tensor("model.weight", 1)
                .tensor("model", 1)
                .tensor("", 1)
                .tensor(".", 1)
                .tensor("a..b", 1)
                .tensor("a.", 1)
                .build()
                .tensors();

        List<ModuleGroup> modules = ModuleGroup.modules(tensors, Sharding.wholeTensors(tensors));

        assertThat(modules).hasSize(6);
        assertThat(modules)
                .allSatisfy(module -> assertThat(module.split(tensors)).hasSize(1));
    }
}
