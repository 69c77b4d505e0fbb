package dev.inflight.coordinator.update;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.WorkerEvent.Session;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** Which version each worker's engine had before an update. Workers whose engines had none are not in an answer. */
final class FormerVersions {
    private FormerVersions() {}

    /** As the receivers' states at a round's beginning say. */
    static Map<String, String> of(Round round) {
        Map<String, String> before = new HashMap<>();
        for (String id : round.attempt().receivers()) {
            FleetWorker worker = round.members().get(id);
            EngineStatus engine = worker == null ? null : worker.engine();
            if (engine != null && engine.version() != null) {
                before.put(id, engine.version());
            }
        }
        return before;
    }

    /**
     * For an update taken over, whose beginning nobody remembers, of every worker that saw its epoch and has an engine
     * of the model. A worker that has not ended the update, or gave it up by itself, names the version its engine had.
     * For one that has nothing of it any more the version this coordinator saw it with before counts, or else the one
     * that all other engines had. When every worker is like that it can not be known, and the engines
     * are left to joins.
     */
    static Map<String, String> ofOrphan(Round round, Fleet fleet) {
        String model = round.request().checkpoint().model();
        Map<String, String> before = of(round);
        round.members().forEach((id, worker) -> {
            Session session = worker.state().session();
            if (session != null && session.epoch() == round.attempt().epoch() && session.from() != null) {
                before.putIfAbsent(id, session.from());
            }
        });
        Set<String> unknown = new TreeSet<>();
        for (FleetWorker worker : fleet.workers().values()) {
            boolean sawIt = round.members().containsKey(worker.id())
                    || worker.state().highestEpoch() == round.attempt().epoch();
            if (sawIt && worker.serves(model) && !before.containsKey(worker.id())) {
                EngineStatus last = fleet.lastServing(worker.id(), model);
                if (last != null && last.version() != null) {
                    before.put(worker.id(), last.version());
                } else {
                    unknown.add(worker.id());
                }
            }
        }
        String others = versionOfOthers(before, fleet, round);
        if (others != null) {
            unknown.forEach(id -> before.put(id, others));
        }
        return before;
    }

    private static @Nullable String versionOfOthers(Map<String, String> before, Fleet fleet, Round round) {
        Set<String> versions = new TreeSet<>(before.values());
        if (versions.isEmpty()) {
            versions.addAll(fleet.versionsSeen(round.request().checkpoint().model()));
            versions.remove(round.request().checkpoint().version());
        }
        return versions.size() == 1 ? versions.iterator().next() : null;
    }
}
