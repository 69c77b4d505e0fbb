package dev.inflight.worker.cast;

import dev.inflight.protocol.plan.Membership;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Which hosts a joiner asks to cast parts to it, and why not others. A pure function of where the hosts are and what they
 * hold. Joiners that see the same holders come to the same answer, so that they meet at the same hosts.
 *
 * @param sources the hosts to ask, by name
 * @param reason why none is asked, for people; empty if one is
 */
public record CastSources(List<Source> sources, String reason) {
    private static final Comparator<Membership.Host> BY_NAME = Comparator.comparing(Membership.Host::name);

    /** @param shards shards to ask this host for */
    public record Source(Membership.Host host, Set<Integer> shards) {
        public Source {
            shards = Set.copyOf(shards);
        }
    }

    public CastSources {
        sources = List.copyOf(sources);
    }

    /** Nobody is asked. */
    public static CastSources none(String reason) {
        return new CastSources(List.of(), reason);
    }

    /**
     * Each shard is asked of one of the hosts that hold it and are reached by multicast; holders take turns. What a host
     * on the same machine holds is copied from there.
     *
     * @param receiver the joiner's host
     * @param hosts all hosts that may have something
     * @param everything whether the join needs the whole checkpoint: of several that need different parts of it, a cast
     *     would bring each what the others need
     * @param lacking indexes of the shards of which it lacks something
     */
    public static CastSources of(
            Membership.Host receiver, List<Membership.Host> hosts, boolean everything, Collection<Integer> lacking) {
        if (!everything) {
            return none("its engine wants a part of the checkpoint only");
        }
        if (receiver.place().multicast().isEmpty()) {
            return none("this host is in no multicast group");
        }
        Map<Membership.Host, Set<Integer>> asked = new TreeMap<>(BY_NAME);
        for (int shard : new TreeSet<>(lacking)) {
            var holders = holders(receiver, hosts, shard);
            if (!holders.isEmpty()) {
                asked.computeIfAbsent(holders.get(shard % holders.size()), host -> new TreeSet<>())
                        .add(shard);
            }
        }
        List<Source> sources = new ArrayList<>();
        asked.forEach((host, shards) -> sources.add(new Source(host, shards)));
        return new CastSources(
                sources,
                sources.isEmpty()
                        ? "no other machine of multicast group "
                                + receiver.place().multicast() + " holds what this one lacks"
                        : "");
    }

    private static List<Membership.Host> holders(Membership.Host receiver, List<Membership.Host> hosts, int shard) {
        var holders = hosts.stream()
                .filter(host -> !host.name().equals(receiver.name()))
                .filter(host -> host.holds(shard))
                .sorted(BY_NAME)
                .toList();
        return holders.stream().anyMatch(host -> host.place().sharesMachine(receiver.place()))
                ? List.of()
                : holders.stream()
                        .filter(host ->
                                host.place().multicast().equals(receiver.place().multicast()))
                        .toList();
    }
}
