package dev.inflight.coordinator;

import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.protocol.cluster.EngineSelection;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Which version the engines of a model, or of one of its groups, had before the one they have. A rollback takes a step
 * back in it, so that the next one goes a version further back and never forward again.
 */
final class CommitHistory {
    /** More than any host store keeps. */
    private static final int MOST_VERSIONS = 1000;

    /** More than anybody names; those that were not moved for longest are forgotten. */
    private static final int MOST_GROUPS = 1024;

    /** @param group see {@link EngineSelection}; null for all engines of the model */
    private record Engines(String model, @Nullable String group) {}

    /** Of each the newest version first; the engines that were moved last are the last ones. */
    private final Map<Engines, Deque<String>> newestFirst = new LinkedHashMap<>();

    /**
     * An update was committed.
     *
     * @param from versions the engines had before
     */
    void updated(String model, @Nullable String group, Set<String> from, String to) {
        Deque<String> versions = begin(model, group);
        Set<String> before = new HashSet<>(from);
        if (before.size() > 1) {
            // Those that had it before, as after a canary, are not moved.
            before.remove(to);
        }
        // Of an update whose coordinator was lost nobody may know what was before.
        if (versions.isEmpty() || (!before.isEmpty() && !before.contains(versions.getFirst()))) {
            // Engines that had several versions have none to go back to together.
            versions.clear();
            if (before.size() == 1) {
                versions.add(before.iterator().next());
            }
        }
        versions.remove(to);
        versions.addFirst(to);
        if (versions.size() > MOST_VERSIONS) {
            versions.removeLast();
        }
    }

    /** A rollback was committed: what came after the version is no longer to be gone back to. */
    void rolledBack(String model, @Nullable String group, String to) {
        Deque<String> versions = begin(model, group);
        if (versions.contains(to)) {
            while (!versions.getFirst().equals(to)) {
                versions.removeFirst();
            }
        } else {
            versions.clear();
            versions.add(to);
        }
    }

    /** The version that a rollback goes to unless told another; null if none is known. */
    @Nullable
    String previous(String model, @Nullable String group) {
        Deque<String> own = newestFirst.get(new Engines(model, group));
        Deque<String> versions = own != null ? own : newestFirst.get(new Engines(model, null));
        return versions == null ? null : previous(versions);
    }

    /**
     * The same for engines that may have been moved under other names since.
     *
     * @param workers those that are there and may be meant
     * @return null if none is known that all of them had
     */
    @Nullable
    String previous(String model, @Nullable String group, Collection<FleetWorker> workers) {
        EngineSelection selection = group == null ? null : EngineSelection.of(group);
        Set<Optional<String>> all = new HashSet<>();
        for (FleetWorker worker : workers) {
            if (worker.serves(model) && worker.isIn(selection)) {
                all.add(previous(model, worker));
            }
        }
        return all.isEmpty()
                ? previous(model, group)
                : all.size() == 1 ? all.iterator().next().orElse(null) : null;
    }

    private Optional<String> previous(String model, FleetWorker worker) {
        List<Map.Entry<Engines, Deque<String>>> oldestFirst = List.copyOf(newestFirst.entrySet());
        for (Map.Entry<Engines, Deque<String>> moved : oldestFirst.reversed()) {
            Engines engines = moved.getKey();
            if (engines.model().equals(model) && worker.isIn(engines.group())) {
                return Optional.ofNullable(previous(moved.getValue()));
            }
        }
        return Optional.empty();
    }

    private static @Nullable String previous(Deque<String> versions) {
        return versions.stream().skip(1).findFirst().orElse(null);
    }

    /** What is known of these engines; groups have no history of their own once all engines move together. */
    private Deque<String> begin(String model, @Nullable String group) {
        if (group == null) {
            newestFirst.keySet().removeIf(engines -> engines.model().equals(model) && engines.group() != null);
        }
        Engines engines = new Engines(model, group);
        Deque<String> own = newestFirst.remove(engines);
        Deque<String> all = newestFirst.getOrDefault(new Engines(model, null), new ArrayDeque<>());
        Deque<String> versions = own == null ? new ArrayDeque<>(all) : own;
        newestFirst.put(engines, versions);
        if (newestFirst.size() > MOST_GROUPS) {
            newestFirst.remove(newestFirst.keySet().iterator().next());
        }
        return versions;
    }
}
