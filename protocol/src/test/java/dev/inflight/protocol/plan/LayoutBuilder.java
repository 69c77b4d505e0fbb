package dev.inflight.protocol.plan;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.checkpoint.SourceFile;
import dev.inflight.protocol.checkpoint.TensorSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Makes layouts of one file with byte tensors of given sizes. */
final class LayoutBuilder {
    private final List<TensorSpec> tensors = new ArrayList<>();
    private long end;

    LayoutBuilder tensor(String name, long bytes) {
        tensors.add(new TensorSpec(name, Dtype.U8, List.of(bytes), 0, end, end + bytes));
        end += bytes;
        return this;
    }

    CheckpointLayout build() {
        return new CheckpointLayout(List.of(new SourceFile("model.safetensors", end)), tensors);
    }

    /** A model with attention, experts with scales, norms and a zero-element tensor; sizes drawn from {@code seed}. */
    static CheckpointLayout random(long seed, int layers, int experts, long largestBytes) {
        SplittableRandom random = new SplittableRandom(seed);
        LayoutBuilder layout = new LayoutBuilder();
        layout.tensor("model.embed_tokens.weight", random.nextLong(largestBytes * 4 + 1));
        for (int layer = 0; layer < layers; layer++) {
            String prefix = "model.layers." + layer + ".";
            layout.tensor(prefix + "input_layernorm.weight", random.nextLong(1 + largestBytes / 1000));
            for (String projection : List.of("q_proj", "k_proj", "v_proj", "o_proj")) {
                layout.tensor(prefix + "self_attn." + projection + ".weight", random.nextLong(largestBytes + 1));
                layout.tensor(prefix + "self_attn." + projection + ".bias", random.nextLong(1 + largestBytes / 1000));
            }
            for (int expert = 0; expert < experts; expert++) {
                for (String projection : List.of("gate_proj", "up_proj", "down_proj")) {
                    String name = prefix + "mlp.experts." + expert + "." + projection;
                    long bytes = random.nextLong(largestBytes + 1);
                    layout.tensor(name + ".weight", bytes);
                    layout.tensor(name + ".weight_scale_inv", bytes / 4096 * 4);
                }
            }
            layout.tensor(prefix + "mlp.gate.weight", random.nextLong(1 + largestBytes / 10));
        }
        layout.tensor("model.empty", 0);
        layout.tensor("scalar", 4);
        return layout.build();
    }
}
