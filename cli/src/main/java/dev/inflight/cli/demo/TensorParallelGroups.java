package dev.inflight.cli.demo;

import dev.inflight.cli.model.DecoderSlices;
import dev.inflight.cli.model.ModelTensor;
import dev.inflight.protocol.link.SliceRule;
import dev.inflight.protocol.link.TensorParallel;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Engines in groups of equal size, each of which holds every tensor once.
 *
 * @param size engines of a group; 1 if each holds everything
 * @param rules which tensors they share, and how
 */
public record TensorParallelGroups(int size, List<SliceRule> rules) {
    public static final TensorParallelGroups NONE = new TensorParallelGroups(1, List.of());

    public TensorParallelGroups {
        rules = List.copyOf(rules);
    }

    /**
     * Groups that share a model's projections.
     *
     * @throws ScenarioFailedException if nothing of it can be shared by so many
     */
    public static TensorParallelGroups of(List<ModelTensor> tensors, int size) {
        if (size == 1) {
            return NONE;
        }
        List<SliceRule> rules = DecoderSlices.of(tensors, size);
        if (rules.isEmpty()) {
            throw new ScenarioFailedException("--tp " + size + ": no projection of the model can be cut into " + size
                    + " equal parts; try another --tp or another --size");
        }
        return new TensorParallelGroups(size, rules);
    }

    /** What an engine holds, by its number in the fleet. */
    TensorParallel share(int engine) {
        return new TensorParallel(engine % size, size, rules);
    }

    /** An engine's flags; none without groups. */
    List<String> flags(int engine) {
        List<String> flags = new ArrayList<>();
        if (size > 1) {
            flags.addAll(List.of("--tp-rank", String.valueOf(engine % size), "--tp-size", String.valueOf(size)));
            flags.add("--slices");
            flags.add(rules.stream()
                    .map(rule -> rule.pattern() + "=" + rule.dim())
                    .collect(Collectors.joining(",")));
        }
        return flags;
    }
}
