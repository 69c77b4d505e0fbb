package dev.inflight.coordinator.update;

import dev.inflight.coordinator.fleet.ShardSet;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Finds hosts that can load lost shards again. Decisions only. Hosts that hold other shards of the checkpoint go first,
 * since they could read its source files before; a host that fails is not asked again and its shards go to the others.
 */
final class ShardRestore {
    /** Shards that one host shall load. */
    record Task(int id, String host, ShardSet shards) {}

    private final List<String> preferred;
    private final List<String> others;
    private final Map<Integer, Task> running = new TreeMap<>();
    private final Map<String, ShardSet> restored = new TreeMap<>();
    private final Map<String, String> failures = new TreeMap<>();
    private int tasks;
    private @Nullable String failure;

    ShardRestore(List<String> preferred, List<String> others) {
        this.preferred = new ArrayList<>(preferred);
        this.others = new ArrayList<>(others);
    }

    /** Spreads shards over the hosts that are left. An empty answer means there are none: see {@link #failure()}. */
    List<Task> assign(ShardSet shards) {
        List<String> hosts = preferred.isEmpty() ? others : preferred;
        if (hosts.isEmpty()) {
            failure = "no live host can load shards " + shards + " again: " + describeFailures();
            return List.of();
        }
        int[] indexes = shards.indexes();
        List<Task> assigned = new ArrayList<>();
        int begin = 0;
        for (int i = 0; i < hosts.size(); i++) {
            int end = (int) ((long) indexes.length * (i + 1) / hosts.size());
            ShardSet part = ShardSet.EMPTY;
            for (int j = begin; j < end; j++) {
                part = part.plus(ShardSet.of(indexes[j]));
            }
            if (!part.isEmpty()) {
                Task task = new Task(tasks++, hosts.get(i), part);
                running.put(task.id(), task);
                assigned.add(task);
            }
            begin = end;
        }
        return assigned;
    }

    /** A task is done. */
    void loaded(int id) {
        Task task = running.remove(id);
        if (task != null) {
            restored.merge(task.host(), task.shards(), ShardSet::plus);
        }
    }

    /** A task failed: says what to ask of whom instead. */
    List<Task> failed(int id, String message) {
        Task task = running.remove(id);
        return task == null ? List.of() : reassign(task, message);
    }

    /** A host is gone: its tasks, and what it had restored, go to others. */
    List<Task> lost(String host) {
        List<Task> next = new ArrayList<>();
        preferred.remove(host);
        others.remove(host);
        ShardSet again = restored.getOrDefault(host, ShardSet.EMPTY);
        restored.remove(host);
        if (!again.isEmpty()) {
            failures.put(host, "lost");
            next.addAll(assign(again));
        }
        for (Task task : List.copyOf(running.values())) {
            if (task.host().equals(host)) {
                running.remove(task.id());
                next.addAll(reassign(task, "lost"));
            }
        }
        return next;
    }

    boolean done() {
        return failure == null && running.isEmpty();
    }

    /** Why it is impossible; null while it is not. */
    @Nullable
    String failure() {
        return failure;
    }

    /** Shards restored, by host. */
    Map<String, ShardSet> restored() {
        return restored;
    }

    private List<Task> reassign(Task task, String message) {
        failures.put(task.host(), message);
        preferred.remove(task.host());
        others.remove(task.host());
        return assign(task.shards());
    }

    private String describeFailures() {
        return failures.isEmpty()
                ? "no host with a free worker is left"
                : failures.entrySet().stream()
                        .map(entry -> entry.getKey() + ": " + entry.getValue())
                        .collect(Collectors.joining("; "));
    }
}
