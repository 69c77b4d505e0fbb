package dev.inflight.coordinator.canary;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.protocol.cluster.EngineSelection;
import dev.inflight.protocol.cluster.EngineStatus;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The engines that a canary is about.
 *
 * @param group all that are meant; null for all of the model
 * @param workers whose engines try the version
 * @param from the version they go back to
 */
record CanaryEngines(String model, @Nullable String group, SortedSet<String> workers, String from) {
    /** Those that try the version. */
    String chosen() {
        return EngineSelection.ofIds(workers);
    }

    /** Those that do not. */
    String others() {
        return EngineSelection.without(group, workers);
    }

    /** Whether nobody is left to follow the chosen engines; who comes later joins. */
    boolean othersAreGone(Fleet fleet) {
        EngineSelection others = EngineSelection.of(others());
        return fleet.workers().values().stream().noneMatch(worker -> worker.serves(model) && worker.isIn(others));
    }

    /** Whether every chosen engine that is there has what it had; one that is not will join that. */
    boolean areBack(Fleet fleet) {
        return workers.stream().allMatch(id -> {
            FleetWorker worker = fleet.workers().get(id);
            EngineStatus engine = worker == null ? null : worker.engine();
            return engine == null
                    || !engine.model().equals(model)
                    || engine.state() == EngineStatus.State.FAILED
                    || (engine.state() == EngineStatus.State.SERVING && from.equals(engine.version()));
        });
    }

    /** Processes of the chosen engines, by worker; 0 where none is attached. */
    SortedMap<String, Long> pids(Fleet fleet) {
        SortedMap<String, Long> pids = new TreeMap<>();
        for (String id : workers) {
            FleetWorker worker = fleet.workers().get(id);
            EngineStatus engine = worker == null ? null : worker.engine();
            pids.put(id, engine == null ? 0L : engine.pid());
        }
        return pids;
    }
}
