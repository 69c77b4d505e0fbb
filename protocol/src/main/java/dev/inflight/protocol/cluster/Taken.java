package dev.inflight.protocol.cluster;

import java.util.Collection;
import java.util.List;
import java.util.function.Function;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/**
 * What a join took into the engine's host store.
 *
 * @param receivedBytes bytes from other hosts or the original files
 * @param resentBytes those of them that came more than once or were thrown away
 * @param sources names of the hosts that they came from, or the path of the files
 * @param castBytes those of {@code receivedBytes} that a source cast, once for all who joined at the same time; the others
 *     were asked for, or read from the files
 * @param castSources hosts that cast, also where all that they cast had to come again
 */
public record Taken(
        long receivedBytes, long resentBytes, List<String> sources, long castBytes, List<String> castSources) {
    public static final Taken NOTHING = new Taken(0, 0, List.of(), 0, List.of());

    public Taken {
        sources = List.copyOf(sources);
        castSources = orNone(castSources);
    }

    /** Those from before there were casts of parts do not say. */
    private static List<String> orNone(@Nullable List<String> names) {
        return names == null ? List.of() : List.copyOf(names);
    }

    /** Nothing of it by casts. */
    public Taken(long receivedBytes, long resentBytes, List<String> sources) {
        this(receivedBytes, resentBytes, sources, 0, List.of());
    }

    /** All of them together. */
    public static Taken sum(Collection<Taken> all) {
        return new Taken(
                sum(all, Taken::receivedBytes),
                sum(all, Taken::resentBytes),
                union(all, Taken::sources),
                sum(all, Taken::castBytes),
                union(all, Taken::castSources));
    }

    private static long sum(Collection<Taken> all, ToLongFunction<Taken> bytes) {
        return all.stream().mapToLong(bytes).sum();
    }

    private static List<String> union(Collection<Taken> all, Function<Taken, List<String>> names) {
        return all.stream()
                .flatMap(one -> names.apply(one).stream())
                .distinct()
                .sorted()
                .toList();
    }
}
