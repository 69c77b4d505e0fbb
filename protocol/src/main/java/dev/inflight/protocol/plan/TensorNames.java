package dev.inflight.protocol.plan;

import java.util.List;
import java.util.Set;

/**
 * What the parts of a tensor's name say about which tensors an engine loads together. Names are dotted paths in the
 * fashion of PyTorch modules, {@code model.layers.7.self_attn.q_proj.weight}.
 */
final class TensorNames {
    /** Endings of companions that an engine can not use without the tensor they belong to. Longer ones first. */
    private static final List<String> COMPANION_SUFFIXES =
            List.of("_scale_inv", "_zero_point", "_blocks", "_scales", "_packed", "_scale", "_shape", "_g_idx");

    /** How AWQ and GPTQ call the parts of one quantised weight. */
    private static final Set<String> QUANTISED_PARTS = Set.of("qweight", "qzeros", "scales", "g_idx");

    private TensorNames() {}

    /**
     * The module of a tensor: the path up to the decoder layer's submodule ({@code model.layers.7.self_attn}), up to
     * the list of experts inside it ({@code model.layers.7.mlp.experts}), or outside of layers the path without the
     * parameter's own name ({@code model.embed_tokens}).
     *
     * @return length of the module's path in {@code name}, 0 if the name has no dot
     */
    static int moduleLength(String name) {
        int parameter = name.lastIndexOf('.');
        if (parameter < 0) {
            return 0;
        }
        int layer = endOfFirstNumber(name, parameter);
        if (layer < 0 || layer >= parameter) {
            return parameter;
        }
        int submodule = endOfComponent(name, layer + 1);
        if (submodule >= parameter) {
            return parameter;
        }
        int list = endOfComponent(name, submodule + 1);
        boolean numbered = list < parameter && isNumber(name, list + 1, endOfComponent(name, list + 1));
        return numbered ? list : submodule;
    }

    /** The parameter's own name without a companion's ending: equal for a weight and its scales. */
    static String stem(String parameter) {
        if (QUANTISED_PARTS.contains(parameter)) {
            return "weight";
        }
        for (String suffix : COMPANION_SUFFIXES) {
            if (parameter.endsWith(suffix) && parameter.length() > suffix.length()) {
                return parameter.substring(0, parameter.length() - suffix.length());
            }
        }
        return parameter;
    }

    /** Index of the dot that ends the component starting at {@code begin}, or the name's length. */
    static int endOfComponent(String name, int begin) {
        int dot = name.indexOf('.', begin);
        return dot < 0 ? name.length() : dot;
    }

    private static int endOfFirstNumber(String name, int limit) {
        for (int begin = 0; begin < limit; ) {
            int end = endOfComponent(name, begin);
            if (isNumber(name, begin, end)) {
                return end;
            }
            begin = end + 1;
        }
        return -1;
    }

    private static boolean isNumber(String name, int begin, int end) {
        for (int i = begin; i < end; i++) {
            char c = name.charAt(i);
            if (c < '0' || c > '9') {
                return false;
            }
        }
        return end > begin;
    }
}
