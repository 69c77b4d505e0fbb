package dev.inflight.protocol.link;

import dev.inflight.protocol.checkpoint.Dtype;
import java.util.List;

/**
 * What one engine holds of a checkpoint: certain tensors, and of some of them the slices of its rank. Immutable.
 *
 * @param wants which tensors, at most {@value WantRule#MOST} rules; all if there are none
 * @param parallel which of these are cut
 */
public record EngineShare(List<WantRule> wants, TensorParallel parallel) {
    /** Everything. */
    public static final EngineShare ALL = new EngineShare(List.of(), TensorParallel.NONE);

    /** Throws {@link IllegalArgumentException} if there are too many rules. */
    public EngineShare {
        wants = List.copyOf(wants);
        if (wants.size() > WantRule.MOST) {
            throw new IllegalArgumentException(
                    "at most %d rules say what an engine wants, not %d".formatted(WantRule.MOST, wants.size()));
        }
    }

    /** Of an engine that wants all tensors. */
    public EngineShare(TensorParallel parallel) {
        this(List.of(), parallel);
    }

    /** Whether the engine wants a tensor of this name. */
    public boolean wants(String name) {
        for (WantRule rule : wants) {
            if (rule.matches(name)) {
                return rule.take();
            }
        }
        return true;
    }

    /**
     * What the engine holds of a tensor that it wants.
     *
     * @throws SliceException if the tensor can not be cut as the engine needs it
     */
    public TensorSlice slice(String name, Dtype dtype, List<Long> shape) throws SliceException {
        return parallel.slice(name, dtype, shape);
    }
}
