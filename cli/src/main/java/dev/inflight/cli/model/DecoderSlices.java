package dev.inflight.cli.model;

import dev.inflight.protocol.link.SliceException;
import dev.inflight.protocol.link.SliceRule;
import dev.inflight.protocol.link.TensorParallel;
import java.util.List;

/**
 * How the engines of a tensor-parallel group share a decoder: what makes heads, activations and words is cut by output,
 * what brings them back to the hidden width by input. Shoeybi et al., "Megatron-LM", section 3.
 */
public final class DecoderSlices {
    private static final List<SliceRule> RULES = List.of(
            new SliceRule("*.q_proj.weight", 0),
            new SliceRule("*.k_proj.weight", 0),
            new SliceRule("*.v_proj.weight", 0),
            new SliceRule("*.gate_proj.weight", 0),
            new SliceRule("*.up_proj.weight", 0),
            new SliceRule("*embed_tokens.weight", 0),
            new SliceRule("*lm_head.weight", 0),
            new SliceRule("*.o_proj.weight", 1),
            new SliceRule("*.down_proj.weight", 1));

    private DecoderSlices() {}

    /** The rules that can be followed: with a tensor to match, and all that match divisible by {@code size}. */
    public static List<SliceRule> of(List<ModelTensor> tensors, int size) {
        return RULES.stream().filter(rule -> applies(rule, tensors, size)).toList();
    }

    private static boolean applies(SliceRule rule, List<ModelTensor> tensors, int size) {
        List<ModelTensor> matched =
                tensors.stream().filter(tensor -> rule.matches(tensor.name())).toList();
        TensorParallel share = new TensorParallel(0, size, List.of(rule));
        return !matched.isEmpty() && matched.stream().allMatch(tensor -> canCut(share, tensor));
    }

    private static boolean canCut(TensorParallel share, ModelTensor tensor) {
        try {
            return !share.slice(tensor.name(), tensor.dtype(), tensor.shape()).isWhole();
        } catch (SliceException e) {
            return false;
        }
    }
}
