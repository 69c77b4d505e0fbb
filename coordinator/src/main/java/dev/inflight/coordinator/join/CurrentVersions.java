package dev.inflight.coordinator.join;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.protocol.cluster.EngineSelection;
import dev.inflight.protocol.cluster.EngineStatus;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Which version an engine should serve: what the last committed update that meant it brought. A coordinator that has
 * seen no such update goes by what the other engines serve.
 */
final class CurrentVersions {
    /** More groups than anybody names; the oldest are forgotten, and their engines counted with the others. */
    private static final int MOST_GROUPS = 1024;

    /**
     * @param group see {@link EngineSelection}; null for all engines of the model
     * @param requester who asked for it; null if nobody is known
     */
    private record Brought(
            @Nullable String group,
            @Nullable EngineSelection selection,
            String version,
            @Nullable String requester) {
        static Brought of(@Nullable String group, String version, @Nullable String requester) {
            return new Brought(group, group == null ? null : EngineSelection.of(group), version, requester);
        }
    }

    private final Map<String, Deque<Brought>> newestFirst = new HashMap<>();
    private final Map<String, Map<String, String>> former = new HashMap<>();

    void committed(String model, @Nullable String group, String version, @Nullable String requester) {
        Deque<Brought> updates = newestFirst.computeIfAbsent(model, name -> new ArrayDeque<>());
        if (group == null) {
            updates.clear();
        } else {
            updates.removeIf(earlier -> group.equals(earlier.group()));
        }
        updates.addFirst(Brought.of(group, version, requester));
        if (updates.size() > MOST_GROUPS) {
            updates.removeLast();
        }
    }

    /** Engines serve a version of which no update is known to have brought it: what is known comes before it. */
    void assumed(String model, @Nullable String group, String version) {
        Deque<Brought> updates = newestFirst.computeIfAbsent(model, name -> new ArrayDeque<>());
        if (updates.stream().noneMatch(earlier -> Objects.equals(group, earlier.group()))) {
            updates.addLast(Brought.of(group, version, null));
        }
    }

    /**
     * An update was aborted.
     *
     * @param versions which version each worker's engine had before
     */
    void aborted(String model, Map<String, String> versions) {
        former.computeIfAbsent(model, name -> new HashMap<>()).putAll(versions);
    }

    /** What this worker's engine had before an update that was aborted; null if it was part of none. */
    @Nullable
    String former(FleetWorker worker, String model) {
        return former.getOrDefault(model, Map.of()).get(worker.id());
    }

    void retain(Collection<String> workers) {
        former.values().forEach(versions -> versions.keySet().retainAll(workers));
    }

    /** What an update brought to this worker's engine; null if this coordinator has seen none that meant it. */
    @Nullable
    String brought(FleetWorker worker, String model) {
        for (Brought update : newestFirst.getOrDefault(model, new ArrayDeque<>())) {
            if (worker.isIn(update.selection())) {
                return update.version();
            }
        }
        return null;
    }

    /**
     * Who asked for the update that brought a version to this worker's engine, or, if none meant it, to the last others;
     * null if nobody is known.
     */
    @Nullable
    String requester(FleetWorker worker, String model, String version) {
        List<Brought> same = newestFirst.getOrDefault(model, new ArrayDeque<>()).stream()
                .filter(update -> update.version().equals(version))
                .toList();
        return same.stream()
                .filter(update -> worker.isIn(update.selection()))
                .findFirst()
                .or(() -> same.stream().findFirst())
                .map(Brought::requester)
                .orElse(null);
    }

    /**
     * What most engines of the worker's host serve, if any of them serves something, else what most of the model do. Of
     * versions that equally many serve the newest.
     *
     * @param versions the model's published versions, oldest first; others do not count
     * @return null if no engine serves any of them
     */
    static @Nullable String served(FleetWorker worker, String model, Fleet fleet, Iterable<String> versions) {
        List<FleetWorker> serving = fleet.workers().values().stream()
                .filter(other -> serves(other, model))
                .toList();
        List<FleetWorker> neighbours = serving.stream()
                .filter(other -> other.host().equals(worker.host()))
                .toList();
        String here = most(neighbours, versions);
        return here != null ? here : most(serving, versions);
    }

    private static boolean serves(FleetWorker worker, String model) {
        EngineStatus engine = worker.engine();
        return engine != null && worker.serves(model) && engine.state() == EngineStatus.State.SERVING;
    }

    private static @Nullable String most(List<FleetWorker> serving, Iterable<String> versions) {
        List<String> served = new ArrayList<>();
        serving.forEach(
                worker -> served.add(Objects.requireNonNull(worker.engine()).version()));
        String most = null;
        long engines = 0;
        for (String version : versions) {
            long count = served.stream().filter(version::equals).count();
            if (count > 0 && count >= engines) {
                most = version;
                engines = count;
            }
        }
        return most;
    }
}
