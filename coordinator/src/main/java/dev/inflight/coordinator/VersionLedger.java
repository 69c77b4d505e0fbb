package dev.inflight.coordinator;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetHost;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.HostStoreEvent.Held;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.BiPredicate;
import org.jspecify.annotations.Nullable;

/**
 * Published versions in the order they became known, and which to keep. After a restart of the coordinator it fills
 * again from what the host stores hold.
 */
final class VersionLedger {
    /** What is to be released where. */
    record Release(FleetHost host, String digest) {}

    private record Name(String model, String version) {}

    private final int keepVersions;
    private final SortedMap<String, Map<String, CheckpointRef>> published = new TreeMap<>();
    private final Map<String, List<String>> committed = new HashMap<>();
    private final Set<Name> dropped = new HashSet<>();

    /** @param keepVersions how many committed versions of a model stay in the host stores */
    VersionLedger(int keepVersions) {
        this.keepVersions = keepVersions;
    }

    @Nullable
    CheckpointRef find(String model, String version) {
        return versions(model).get(version);
    }

    Map<String, CheckpointRef> versions(String model) {
        return published.getOrDefault(model, Map.of());
    }

    SortedMap<String, Map<String, CheckpointRef>> all() {
        return published;
    }

    void published(CheckpointRef checkpoint) {
        dropped.remove(new Name(checkpoint.model(), checkpoint.version()));
        published
                .computeIfAbsent(checkpoint.model(), model -> new LinkedHashMap<>())
                .putIfAbsent(checkpoint.version(), checkpoint);
    }

    /** A publish failed: what hosts may still hold of it is not a version. */
    void publishFailed(String model, String version) {
        if (find(model, version) == null) {
            dropped.add(new Name(model, version));
        }
    }

    /**
     * Learns versions from what hosts hold.
     *
     * @param publishing whether a publish of this model and version runs, which will say itself how it ended
     * @return leftovers of dropped versions to release
     */
    List<Release> observe(Fleet fleet, BiPredicate<String, String> publishing) {
        List<Release> leftovers = new ArrayList<>();
        for (FleetHost host : fleet.hosts().values()) {
            for (Held held : host.held()) {
                CheckpointRef checkpoint = held.checkpoint();
                if (publishing.test(checkpoint.model(), checkpoint.version())) {
                    continue;
                }
                if (!dropped.contains(new Name(checkpoint.model(), checkpoint.version()))) {
                    published(checkpoint);
                } else if (!digests().contains(checkpoint.digest())) {
                    leftovers.add(new Release(host, checkpoint.digest()));
                }
            }
        }
        return leftovers;
    }

    /**
     * Engines took a version: older ones go, except the last {@code keepVersions} that engines took and those that
     * engines still serve. Versions published later than it stay.
     *
     * @param from versions the engines had before
     * @return what to release
     */
    List<Release> committed(String model, String version, Collection<String> from, Fleet fleet) {
        List<String> history = committed.computeIfAbsent(model, name -> new ArrayList<>());
        from.stream().filter(before -> !before.equals(version)).forEach(before -> toEnd(history, before));
        toEnd(history, version);
        while (history.size() > keepVersions) {
            history.removeFirst();
        }
        Set<String> keep = new HashSet<>(history);
        fleet.workers().values().stream()
                .map(worker -> worker.engine())
                .filter(engine -> engine != null && engine.model().equals(model))
                .map(EngineStatus::version)
                .forEach(keep::add);
        return drop(model, version, keep, fleet);
    }

    /** Digests of all published checkpoints. */
    Set<String> digests() {
        Set<String> digests = new HashSet<>();
        published.values().forEach(versions -> versions.values().forEach(ref -> digests.add(ref.digest())));
        return digests;
    }

    private List<Release> drop(String model, String newest, Set<String> keep, Fleet fleet) {
        List<CheckpointRef> old = new ArrayList<>();
        for (CheckpointRef checkpoint : versions(model).values()) {
            if (checkpoint.version().equals(newest)) {
                break;
            }
            if (!keep.contains(checkpoint.version())) {
                old.add(checkpoint);
            }
        }
        Map<String, CheckpointRef> versions = published.getOrDefault(model, new LinkedHashMap<>());
        for (CheckpointRef checkpoint : old) {
            versions.remove(checkpoint.version());
            dropped.add(new Name(model, checkpoint.version()));
        }
        Set<String> stillUsed = digests();
        List<Release> releases = new ArrayList<>();
        for (CheckpointRef checkpoint : old) {
            for (FleetHost host : fleet.hosts().values()) {
                if (!stillUsed.contains(checkpoint.digest())
                        && !host.shards(checkpoint).isEmpty()) {
                    releases.add(new Release(host, checkpoint.digest()));
                }
            }
        }
        return releases;
    }

    private static void toEnd(List<String> history, String version) {
        history.remove(version);
        history.add(version);
    }
}
