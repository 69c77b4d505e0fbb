package dev.inflight.protocol.link;

import dev.inflight.protocol.checkpoint.Dtype;
import java.util.List;

/**
 * The share of a checkpoint that one engine of a tensor-parallel group holds. Immutable.
 *
 * @param rank the engine's rank, from 0
 * @param size the number of ranks
 * @param rules what is cut; the first that matches a tensor's name counts, and a tensor that none matches is held whole
 */
public record TensorParallel(int rank, int size, List<SliceRule> rules) {
    /** An engine by itself: it holds everything. */
    public static final TensorParallel NONE = new TensorParallel(0, 1, List.of());

    /** Throws {@link IllegalArgumentException} unless {@code 0 <= rank < size}. */
    public TensorParallel {
        if (rank < 0 || rank >= size) {
            throw new IllegalArgumentException("tpRank %d is not in 0 to %d".formatted(rank, size - 1));
        }
        rules = List.copyOf(rules);
    }

    /**
     * This rank's part of a tensor.
     *
     * @throws SliceException if the tensor can not be cut into equal parts there, or its size is no whole number of bytes
     */
    public TensorSlice slice(String name, Dtype dtype, List<Long> shape) throws SliceException {
        for (SliceRule rule : rules) {
            if (rule.matches(name)) {
                return TensorSlice.part(name, dtype, shape, rule.dim(), rank, size);
            }
        }
        return TensorSlice.whole(name, dtype, shape);
    }
}
