package dev.inflight.protocol.link;

import dev.inflight.protocol.checkpoint.Dtype;
import java.util.List;

/**
 * A tensor, or a byte range of one, in a slot. The engine, not the codec, checks that the numbers fit together.
 *
 * @param name the tensor's name in the checkpoint
 * @param dtype element type by its safetensors name, see {@link Dtype#byName}
 * @param shape the whole tensor's extents, outermost first
 * @param offset first byte in the slot
 * @param bytes length of this part
 * @param begin first byte of this part, counted from the tensor's start
 */
public record TensorPart(String name, String dtype, List<Long> shape, long offset, long bytes, long begin) {
    public TensorPart {
        shape = List.copyOf(shape);
    }

    public TensorPart(String name, Dtype dtype, List<Long> shape, long offset, long bytes, long begin) {
        this(name, dtype.name(), shape, offset, bytes, begin);
    }
}
