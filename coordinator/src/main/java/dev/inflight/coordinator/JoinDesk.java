package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetHost;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.coordinator.fleet.JoinSources;
import dev.inflight.coordinator.join.JoinSettings;
import dev.inflight.coordinator.join.Joins;
import dev.inflight.coordinator.session.SessionEvent;
import dev.inflight.coordinator.update.UpdateKind;
import dev.inflight.coordinator.update.UpdateSession;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.WorkerEvent.Session;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;

/** The joins that run: which engines they are for, what breaks them off, and what became of them. */
final class JoinDesk {
    /** @param brokenOff whether something else needs its engine or host */
    private record Join(
            FleetWorker worker, CheckpointRef checkpoint, ActorRef<UpdateSession.Command> session, boolean brokenOff) {}

    private final Joins joins;
    private final JoinSources sources = new JoinSources();
    private final Logger log;
    private final Map<String, Join> running = new HashMap<>();

    JoinDesk(JoinSettings settings, Logger log) {
        this.joins = new Joins(settings);
        this.log = log;
    }

    static boolean isJoin(String id) {
        return UpdateKind.of(id) == UpdateKind.JOIN;
    }

    Joins joins() {
        return joins;
    }

    JoinSources sources() {
        return sources;
    }

    void started(String id, FleetWorker worker, CheckpointRef checkpoint, ActorRef<UpdateSession.Command> session) {
        running.put(id, new Join(worker, checkpoint, session, false));
        joins.started(id, worker);
        if (joins.trouble(worker.id()) == null) {
            log.info(
                    "{} joins version {} of model {}: {}",
                    engine(worker),
                    checkpoint.version(),
                    checkpoint.model(),
                    id);
        }
    }

    /**
     * Breaks off what stands in the way of an update: joins of engines of its model, and those at hosts whose shards it
     * may need.
     *
     * @return the workers whose engines may join still, until their joins have ended
     */
    Set<String> breakOff(CheckpointRef target, Fleet fleet) {
        Set<String> workers = new HashSet<>();
        running.replaceAll((id, join) -> {
            if (!join.checkpoint().model().equals(target.model()) && !holds(join.worker(), target, fleet)) {
                return join;
            }
            workers.add(join.worker().id());
            join.session()
                    .tell(new UpdateSession.Cancel("an update to version " + target.version() + " was asked for"));
            return new Join(join.worker(), join.checkpoint(), join.session(), true);
        });
        // Those of a former coordinator, which this one is about to end.
        for (FleetWorker worker : fleet.workers().values()) {
            Session session = worker.unfinished();
            if (session != null && isJoin(session.updateId()) && worker.serves(target.model())) {
                workers.add(worker.id());
            }
        }
        return workers;
    }

    private static boolean holds(FleetWorker worker, CheckpointRef target, Fleet fleet) {
        FleetHost host = fleet.hosts().get(worker.host());
        return host != null && !host.shards(target).isEmpty();
    }

    void ended(SessionEvent.UpdateEnded ended, long now) {
        boolean succeeded = ended.operation().state() == OperationReply.State.SUCCEEDED;
        ended(ended.id(), succeeded ? null : String.valueOf(ended.operation().error()), now);
    }

    /** @param failure null if the engine has joined */
    void ended(String id, @Nullable String failure, long now) {
        sources.release(id);
        joins.ended(id);
        Join join = running.remove(id);
        if (join == null) {
            return;
        }
        FleetWorker worker = join.worker();
        String version = join.checkpoint().version();
        if (failure == null) {
            joins.succeeded(worker.id());
            log.info("{} has joined version {}", engine(worker), version);
        } else if (!join.brokenOff() && joins.failed(worker, version, failure, now)) {
            log.warn("{} could not join version {} and will try again: {}", engine(worker), version, failure);
        }
    }

    private static String engine(FleetWorker worker) {
        EngineStatus engine = worker.engine();
        return "engine " + (engine == null ? "?" : engine.engine()) + " of worker " + worker.id();
    }
}
