package dev.inflight.protocol.plan;

import java.util.Comparator;
import java.util.List;

/**
 * Plans from which host a joiner takes which part. Each part goes to one of the nearest hosts that have it or are about
 * to; among those to the one whose link is the least busy, where every join that was pointed at a host before counts as
 * if it took everything from it. So equal holders share a join's bytes, and the next joiner takes them from the one
 * before it rather than from a holder that serves already: the first holder sends each byte about once, however many
 * join. Ties go to hosts that hold the shard, then to the lower name.
 */
public final class JoinPlanner {
    private static final Comparator<Source> NEAREST = Comparator.comparing(Source::distance)
            .thenComparingInt(source -> source.host().uploads())
            .thenComparing(source -> source.host().name());

    private JoinPlanner() {}

    /** A host that can give parts. */
    record Source(Membership.Host host, Distance distance) {}

    /**
     * @param parts what the joiner misses, in the order in which it needs it
     * @param receiver the joiner's own host
     * @param hosts hosts that may have some of it; the receiver among them is passed over
     */
    public static JoinPlan plan(List<Part> parts, Membership.Host receiver, List<Membership.Host> hosts) {
        List<Source> sources = hosts.stream()
                .filter(host -> !host.name().equals(receiver.name()))
                .map(host -> new Source(host, Distance.between(receiver.place(), host.place())))
                .sorted(NEAREST)
                .toList();
        return JoinPlan.of(parts, sources);
    }
}
