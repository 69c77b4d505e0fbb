package dev.inflight.coordinator;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Which version the engines of a model, or of one of its groups, had before the one they have. A rollback takes a step
 * back in it, so that the next one goes a version further back and never forward again.
 */
final class CommitHistory {
    /** More than any host store keeps. */
    private static final int MOST_VERSIONS = 1000;

    /** @param group a host, worker or engine id; null for all engines of the model */
    private record Engines(String model, @Nullable String group) {}

    private final Map<Engines, Deque<String>> newestFirst = new HashMap<>();

    /**
     * An update was committed.
     *
     * @param from versions the engines had before
     */
    void updated(String model, @Nullable String group, Set<String> from, String to) {
        Deque<String> versions = begin(model, group);
        // Of an update whose coordinator was lost nobody may know what was before.
        if (versions.isEmpty() || (!from.isEmpty() && !from.contains(versions.getFirst()))) {
            // Engines that had several versions have none to go back to together.
            versions.clear();
            if (from.size() == 1) {
                versions.add(from.iterator().next());
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
        if (versions == null || versions.size() < 2) {
            return null;
        }
        Iterator<String> newest = versions.iterator();
        newest.next();
        return newest.next();
    }

    /** What is known of these engines; groups have no history of their own once all engines move together. */
    private Deque<String> begin(String model, @Nullable String group) {
        if (group == null) {
            newestFirst.keySet().removeIf(engines -> engines.model().equals(model) && engines.group() != null);
        }
        Deque<String> all = newestFirst.getOrDefault(new Engines(model, null), new ArrayDeque<>());
        return newestFirst.computeIfAbsent(new Engines(model, group), engines -> new ArrayDeque<>(all));
    }
}
