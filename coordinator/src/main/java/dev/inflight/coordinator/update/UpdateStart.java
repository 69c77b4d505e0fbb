package dev.inflight.coordinator.update;

import akka.actor.typed.ActorRef;
import dev.inflight.coordinator.fleet.Epochs;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.coordinator.fleet.JoinSources;
import dev.inflight.coordinator.fleet.WorkerClaims;
import dev.inflight.coordinator.session.SessionEvent;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.VerifyPoint;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * What an {@link UpdateSession} begins with.
 *
 * @param id the operation's id, also the update's id in messages to workers
 * @param only workers whose engines take it; empty for all that the request selects
 * @param awaited workers whose joins were broken off for this update: it takes them along if they are free in time
 * @param versions published versions of the model, for a restoring update
 * @param orphan an update to finish whose coordinator is gone; null for a new one
 * @param fleet the fleet at the start; later ones come as messages
 * @param claims workers taken by running updates
 * @param sources which hosts running joins were pointed at
 * @param parent hears of progress and the end
 * @param nanoTime the clock, in nanoseconds
 */
public record UpdateStart(
        String id,
        UpdateRequest request,
        Set<String> only,
        Set<String> awaited,
        Map<String, CheckpointRef> versions,
        @Nullable Orphan orphan,
        Fleet fleet,
        Epochs epochs,
        WorkerClaims claims,
        JoinSources sources,
        UpdateSettings settings,
        LongSupplier nanoTime,
        ActorRef<SessionEvent> parent) {
    public UpdateStart {
        only = Set.copyOf(only);
        awaited = Set.copyOf(awaited);
        versions = Map.copyOf(versions);
    }

    /** Whether it brings one engine to the current version, rather than engines to a new one. */
    boolean isJoin() {
        return request.strategy() == Strategy.P2P;
    }

    /** Where its bytes are last compared with what was published. */
    VerifyPoint verify() {
        return Objects.requireNonNullElse(request.verify(), settings.verify());
    }

    /** As operations name it. */
    String kind() {
        return isJoin() ? UpdateKind.JOIN.label() : UpdateKind.of(id).label();
    }

    /**
     * An unfinished epoch found on workers.
     *
     * @param commit whether a worker was told to commit it, so that all must
     * @param members workers that are part of it, by id
     */
    public record Orphan(long epoch, boolean commit, SortedMap<String, FleetWorker> members) {
        public Orphan {
            members = new TreeMap<>(members);
        }
    }
}
