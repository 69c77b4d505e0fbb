package dev.inflight.coordinator.update;

import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.Committed;
import dev.inflight.protocol.cluster.WorkerEvent.Failed;
import dev.inflight.protocol.cluster.WorkerEvent.Session;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** How an update whose coordinator is gone is brought to its end. Decisions only. */
final class TakeOver {
    private TakeOver() {}

    /** Rolls forward what passed its commit point and gives up everything else. */
    static UpdateAttempt attempt(UpdateStart.Orphan orphan) {
        Set<String> members = orphan.members().keySet();
        Set<String> receivers = orphan.members().values().stream()
                .filter(worker -> worker.engine() != null)
                .map(FleetWorker::id)
                .collect(Collectors.toSet());
        Set<String> some = receivers.isEmpty() ? members : receivers;
        return orphan.commit()
                ? UpdateAttempt.rollForward(orphan.epoch(), members, some)
                : UpdateAttempt.giveUp(
                        orphan.epoch(), members, some, "its coordinator was lost before the commit point");
    }

    /** How a commit ended as a worker's state shows it; null while it shows no end. */
    static @Nullable WorkerEvent commitOutcome(Round round, @Nullable FleetWorker worker) {
        if (worker == null) {
            return null;
        }
        long epoch = round.attempt().epoch();
        Session session = worker.state().session();
        if (session != null && session.epoch() == epoch) {
            return session.phase() == Session.Phase.COMMITTED ? new Committed(worker.id(), epoch, 0) : null;
        }
        EngineStatus engine = worker.engine();
        boolean live = engine != null
                && engine.state() == EngineStatus.State.SERVING
                && round.request().checkpoint().version().equals(engine.version());
        return live
                ? new Committed(worker.id(), epoch, 0)
                : new Failed(worker.id(), epoch, "its commit ended without confirmation", null);
    }
}
