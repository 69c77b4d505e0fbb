package dev.inflight.cli.model;

import dev.inflight.protocol.checkpoint.Dtype;
import java.util.Arrays;
import java.util.List;

/**
 * A tensor of a model without a place in a file.
 *
 * @param name its name in the model's published checkpoints
 * @param dtype element type
 * @param shape extents, outermost first
 */
public record ModelTensor(String name, Dtype dtype, List<Long> shape) {
    public ModelTensor {
        shape = List.copyOf(shape);
    }

    static ModelTensor of(String name, Dtype dtype, long... shape) {
        return new ModelTensor(name, dtype, Arrays.stream(shape).boxed().toList());
    }

    /** Size in bytes. */
    public long bytes() {
        long elements = 1;
        for (long extent : shape) {
            elements = Math.multiplyExact(elements, extent);
        }
        return Math.multiplyExact(elements, dtype.bits()) / Byte.SIZE;
    }
}
