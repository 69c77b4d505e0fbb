package dev.inflight.coordinator.canary;

import dev.inflight.coordinator.fleet.FleetWorker;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.Map;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Which engines try a version: always the same ones of the same fleet, one host after the other, and engines that serve
 * together (ranks of a tensor-parallel group, or those with the same replica label) all or none.
 */
final class CanaryChoice {
    private CanaryChoice() {}

    /**
     * @param candidates workers with engines that may be chosen; not empty
     * @param replicaLabel see {@link CanarySettings}
     * @return ids of workers: at least as many as the share asks for, as far as some are left to the others
     */
    static SortedSet<String> choose(Collection<FleetWorker> candidates, CanaryShare share, String replicaLabel) {
        Deque<Deque<SortedSet<String>>> hosts =
                new ArrayDeque<>(byHost(candidates, replicaLabel).values());
        int units = hosts.stream().mapToInt(Deque::size).sum();
        int wanted = share.of(candidates.size());
        SortedSet<String> chosen = new TreeSet<>();
        for (int taken = 0; chosen.size() < wanted && taken < Math.max(1, units - 1); taken++) {
            Deque<SortedSet<String>> host = hosts.removeFirst();
            chosen.addAll(host.removeFirst());
            if (!host.isEmpty()) {
                hosts.addLast(host);
            }
        }
        return chosen;
    }

    /** What is chosen all or none, by the host of its first engine. */
    private static SortedMap<String, Deque<SortedSet<String>>> byHost(
            Collection<FleetWorker> candidates, String replicaLabel) {
        SortedMap<String, SortedSet<String>> units = new TreeMap<>();
        SortedMap<String, FleetWorker> workers = new TreeMap<>();
        candidates.forEach(worker -> workers.put(worker.id(), worker));
        workers.values()
                .forEach(worker -> units.computeIfAbsent(unit(worker, replicaLabel), name -> new TreeSet<>())
                        .add(worker.id()));
        SortedMap<String, Deque<SortedSet<String>>> byHost = new TreeMap<>();
        workers.values().forEach(worker -> {
            SortedSet<String> unit = units.remove(unit(worker, replicaLabel));
            if (unit != null) {
                byHost.computeIfAbsent(worker.host(), name -> new ArrayDeque<>())
                        .addLast(unit);
            }
        });
        return byHost;
    }

    private static String unit(FleetWorker worker, String replicaLabel) {
        Map<String, String> labels = worker.state().labels();
        String replica = labels.get(replicaLabel);
        if (replica != null) {
            return "replica " + replica;
        }
        // Which ranks of a host are one group nobody says; together they are whole groups.
        return labels.containsKey("tp-size") ? "ranks of " + worker.host() : "worker " + worker.id();
    }
}
