package dev.inflight.protocol.plan;

import dev.inflight.protocol.plan.JoinPlanner.Source;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Which host gives which part in one join. Parts are named by their position in {@link #parts()}. Immutable. */
public final class JoinPlan {
    private static final int NOBODY = -1;

    private final List<Part> parts;
    private final List<Source> sources;
    private final int[] givers;

    private JoinPlan(List<Part> parts, List<Source> sources, int[] givers) {
        this.parts = parts;
        this.sources = sources;
        this.givers = givers;
    }

    static JoinPlan of(List<Part> parts, List<Source> sources) {
        int[] givers = new int[parts.size()];
        Arrays.fill(givers, NOBODY);
        return new JoinPlan(List.copyOf(parts), sources, givers).assigned(part -> false);
    }

    /** What was planned for, in the order in which the joiner needs it. */
    public List<Part> parts() {
        return parts;
    }

    /** The host to take a part from; empty if there is none. */
    public Optional<Membership.Host> giver(int part) {
        return givers[part] == NOBODY
                ? Optional.empty()
                : Optional.of(sources.get(givers[part]).host());
    }

    /** Whether a host could as well give a part that another one is to give: it holds it and is as near. */
    public boolean couldGive(String host, int part) {
        if (givers[part] == NOBODY) {
            return false;
        }
        Distance near = sources.get(givers[part]).distance();
        int shard = parts.get(part).shard();
        return sources.stream()
                .anyMatch(source -> source.host().name().equals(host)
                        && source.distance() == near
                        && source.host().holds(shard));
    }

    /** The hosts to take a part from, the best first. */
    public List<Membership.Host> candidates(int part) {
        int shard = parts.get(part).shard();
        var first = giver(part);
        var rest = sources.stream()
                .filter(source -> source.host().gives(shard))
                .map(Source::host)
                .filter(host -> !host.equals(first.orElse(null)));
        return Stream.concat(first.stream(), rest).toList();
    }

    /** Whether another host than this one holds a part. */
    public boolean isHeldElsewhere(String host, int part) {
        int shard = parts.get(part).shard();
        return sources.stream()
                .anyMatch(source ->
                        !source.host().name().equals(host) && source.host().holds(shard));
    }

    /**
     * The plan when a host is not to be asked any more: its parts go to the others, and all else stays as it is.
     *
     * @param settled parts that have come; they neither move nor count
     */
    public JoinPlan without(String host, IntPredicate settled) {
        int gone = NOBODY;
        for (int source = 0; source < sources.size(); source++) {
            gone = sources.get(source).host().name().equals(host) ? source : gone;
        }
        if (gone == NOBODY) {
            return this;
        }
        var left = new ArrayList<>(sources);
        left.remove(gone);
        int[] kept = new int[givers.length];
        for (int part = 0; part < kept.length; part++) {
            kept[part] = givers[part] == gone ? NOBODY : givers[part] - (givers[part] > gone ? 1 : 0);
        }
        return new JoinPlan(parts, left, kept).assigned(settled);
    }

    /** Gives every part that has no giver to one. */
    private JoinPlan assigned(IntPredicate settled) {
        long[] busy = busy(settled);
        int[] chosen = givers.clone();
        Map<Integer, int[]> nearest = new HashMap<>();
        for (int part = 0; part < chosen.length; part++) {
            if (chosen[part] == NOBODY && !settled.test(part)) {
                int shard = parts.get(part).shard();
                chosen[part] = leastBusy(nearest.computeIfAbsent(shard, this::nearest), busy, shard);
                if (chosen[part] != NOBODY) {
                    busy[chosen[part]] += parts.get(part).bytes();
                }
            }
        }
        return new JoinPlan(parts, sources, chosen);
    }

    private long[] busy(IntPredicate settled) {
        long all = parts.stream().mapToLong(Part::bytes).sum();
        long[] busy = new long[sources.size()];
        for (int source = 0; source < busy.length; source++) {
            busy[source] = all * sources.get(source).host().uploads();
        }
        for (int part = 0; part < givers.length; part++) {
            if (givers[part] != NOBODY && !settled.test(part)) {
                busy[givers[part]] += parts.get(part).bytes();
            }
        }
        return busy;
    }

    /** The sources of a shard that are as near as any. */
    private int[] nearest(int shard) {
        int[] giving = IntStream.range(0, sources.size())
                .filter(source -> sources.get(source).host().gives(shard))
                .toArray();
        return Arrays.stream(giving)
                .filter(source ->
                        sources.get(source).distance() == sources.get(giving[0]).distance())
                .toArray();
    }

    private int leastBusy(int[] candidates, long[] busy, int shard) {
        int best = NOBODY;
        for (int candidate : candidates) {
            if (best == NOBODY
                    || busy[candidate] < busy[best]
                    || (busy[candidate] == busy[best]
                            && sources.get(candidate).host().holds(shard)
                            && !sources.get(best).host().holds(shard))) {
                best = candidate;
            }
        }
        return best;
    }
}
