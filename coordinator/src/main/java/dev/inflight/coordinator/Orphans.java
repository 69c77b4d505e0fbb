package dev.inflight.coordinator;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.coordinator.update.UpdateStart.Orphan;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.WorkerEvent.Session;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Unfinished updates on workers that no session of this coordinator runs. */
final class Orphans {
    private Orphans() {}

    /**
     * All workers of an epoch that have not ended it or have committed it. One that was told to commit shows that the
     * commit point was passed, whether or not its engine has confirmed it.
     */
    static @Nullable Orphan find(Fleet fleet, long epoch) {
        SortedMap<String, FleetWorker> members = new TreeMap<>();
        boolean unfinished = false;
        boolean commit = false;
        for (FleetWorker worker : fleet.workers().values()) {
            Session session = worker.state().session();
            if (session != null && session.epoch() == epoch) {
                members.put(worker.id(), worker);
                unfinished |= worker.unfinished() != null;
                commit |= session.phase().compareTo(Session.Phase.COMMITTING) >= 0;
            }
        }
        return unfinished ? new Orphan(epoch, commit, members) : null;
    }

    /**
     * Whether the fleet's reports can add nothing to an orphan: all of its workers have reported it, so that no other can
     * have been told to commit, and what they need to get back a former version is known too.
     *
     * @param versions published versions of a model
     */
    static boolean complete(Orphan orphan, Fleet fleet, Function<String, Map<String, CheckpointRef>> versions) {
        return !fleet.incomplete()
                && orphan.members().values().stream()
                        .allMatch(worker -> fleet.hosts().containsKey(worker.host())
                                && reportsAll(worker.state().session(), orphan)
                                && formerVersionIsKnown(worker, versions));
    }

    private static boolean reportsAll(@Nullable Session session, Orphan orphan) {
        return session != null && session.members() == orphan.members().size();
    }

    private static boolean formerVersionIsKnown(
            FleetWorker worker, Function<String, Map<String, CheckpointRef>> versions) {
        Session session = worker.state().session();
        EngineStatus engine = worker.engine();
        String former = session == null ? null : session.from();
        return former == null
                || (engine != null && versions.apply(engine.model()).containsKey(former));
    }

    /**
     * What an orphan's engines were moving to, as far as they say.
     *
     * @param versions published versions of a model
     */
    static CheckpointRef target(Orphan orphan, Function<String, Map<String, CheckpointRef>> versions) {
        String model = "unknown";
        String target = "unknown";
        for (FleetWorker worker : orphan.members().values()) {
            EngineStatus engine = worker.engine();
            if (engine == null) {
                continue;
            }
            model = engine.model();
            if (engine.target() != null) {
                target = engine.target();
            } else if (worker.unfinished() == null && engine.version() != null) {
                target = engine.version();
            }
        }
        CheckpointRef known = versions.apply(model).get(target);
        return known != null ? known : new CheckpointRef(model, target, "", "", 0, 0, 0, 0, 0);
    }
}
