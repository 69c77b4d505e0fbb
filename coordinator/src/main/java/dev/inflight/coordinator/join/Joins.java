package dev.inflight.coordinator.join;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Says which engines are to join now. An engine joins if it has no weights, or others than the last committed update
 * that meant it brought. A join that failed is tried again after a while. Decisions only: it is told of the fleet, of
 * what joins came to and of the time, in nanoseconds of one clock.
 */
public final class Joins {
    /**
     * A join that is due.
     *
     * @param requester who asked for the update that brought the checkpoint; null if nobody is known
     */
    public record Due(
            FleetWorker worker,
            CheckpointRef checkpoint,
            @Nullable String requester) {}

    /**
     * What became of the last joins of an engine.
     *
     * @param failures how many have failed one after the other
     * @param reason why the last one did
     */
    public record Trouble(int failures, String reason) {}

    /** Past failures of one engine to come to one version. */
    private record Attempts(long pid, String version, int failures, long notBefore, String reason) {}

    private final JoinSettings settings;
    private final CurrentVersions current = new CurrentVersions();
    private final Map<String, String> running = new HashMap<>();
    private final Map<String, Attempts> attempts = new HashMap<>();

    public Joins(JoinSettings settings) {
        this.settings = settings;
    }

    /**
     * An update, which is no join, was committed.
     *
     * @param group the engines it meant; null for all of the model
     * @param requester who asked for it; null if nobody is known
     */
    public void committed(String model, @Nullable String group, String version, @Nullable String requester) {
        current.committed(model, group, version, requester);
    }

    /** Whether a worker's engine serves what it should, as far as that is known; if not, it is about to join. */
    public boolean isWhereItShouldBe(FleetWorker worker) {
        EngineStatus engine = worker.engine();
        String brought = engine == null ? null : current.brought(worker, engine.model());
        return engine != null && (brought == null || brought.equals(engine.version()));
    }

    /**
     * Engines are known to serve a version, and no update is known that brought it.
     *
     * @param group the engines it meant; null for all of the model
     */
    public void assumed(String model, @Nullable String group, String version) {
        current.assumed(model, group, version);
    }

    /**
     * An update, which is no join, was aborted. Its engines may be left without weights, and nobody may serve any more
     * what they had.
     *
     * @param former which version each worker's engine had before
     */
    public void aborted(String model, Map<String, String> former) {
        current.aborted(model, former);
    }

    /**
     * Joins to start now, at most one for each worker.
     *
     * @param versions published versions of a model, oldest first
     * @param free whether nothing else is going on with a worker
     * @param learned whether the reports of the fleet are complete enough to go by what other engines serve
     */
    public List<Due> due(
            Fleet fleet,
            Function<String, Map<String, CheckpointRef>> versions,
            Predicate<FleetWorker> free,
            boolean learned,
            long now) {
        List<Due> due = new ArrayList<>();
        if (!settings.auto()) {
            return due;
        }
        for (FleetWorker worker : fleet.workers().values()) {
            CheckpointRef target = target(worker, fleet, versions, learned);
            // A host store that has not reported can not take shards yet.
            if (target != null
                    && !running.containsKey(worker.id())
                    && fleet.hosts().containsKey(worker.host())
                    && !fleet.isLeaving(worker)
                    && now - notBefore(worker, target, now) >= 0
                    && free.test(worker)) {
                due.add(new Due(worker, target, current.requester(worker, target.model(), target.version())));
            }
        }
        return due;
    }

    private @Nullable CheckpointRef target(
            FleetWorker worker, Fleet fleet, Function<String, Map<String, CheckpointRef>> versions, boolean learned) {
        EngineStatus engine = worker.engine();
        if (engine == null) {
            return null;
        }
        Map<String, CheckpointRef> published = versions.apply(engine.model());
        String brought = current.brought(worker, engine.model());
        return switch (engine.state()) {
            case PENDING_WEIGHTS -> {
                String known = brought != null ? brought : current.former(worker, engine.model());
                String version = known != null || !learned
                        ? known
                        : CurrentVersions.served(worker, engine.model(), fleet, published.keySet());
                yield version == null ? null : published.get(version);
            }
            case SERVING -> brought == null || brought.equals(engine.version()) ? null : published.get(brought);
            case UPDATING, FAILED -> null;
        };
    }

    private long notBefore(FleetWorker worker, CheckpointRef target, long now) {
        Attempts earlier = attempts.get(worker.id());
        return earlier != null && earlier.version().equals(target.version()) && earlier.pid() == pid(worker)
                ? earlier.notBefore()
                : now;
    }

    /** A join was started. */
    public void started(String join, FleetWorker worker) {
        running.put(worker.id(), join);
    }

    /** A join ended well, or was broken off for the sake of something else. */
    public void ended(String join) {
        running.values().removeIf(join::equals);
    }

    /** The engine is where it should be. */
    public void succeeded(String worker) {
        attempts.remove(worker);
    }

    /**
     * A join failed.
     *
     * @return whether that is news: the first failure, or one for another reason
     */
    public boolean failed(FleetWorker worker, String version, String reason, long now) {
        Attempts earlier = attempts.get(worker.id());
        boolean same = earlier != null && earlier.version().equals(version) && earlier.pid() == pid(worker);
        int failures = same ? Objects.requireNonNull(earlier).failures() + 1 : 1;
        attempts.put(worker.id(), new Attempts(pid(worker), version, failures, now + waitNanos(failures), reason));
        return !same || !Objects.requireNonNull(earlier).reason().equals(reason);
    }

    private long waitNanos(int failures) {
        long longest = settings.retryMax().toNanos();
        // Beyond 30 doublings every wait is the longest.
        long doubled = settings.retryMin().toNanos() << Math.min(failures - 1, 30);
        return doubled <= 0 ? longest : Math.min(doubled, longest);
    }

    /** Forgets workers that are no longer there. */
    public void retain(Collection<String> workers) {
        attempts.keySet().retainAll(workers);
        current.retain(workers);
    }

    /** When a join that failed is to be tried again at the earliest; empty if none failed. */
    public OptionalLong nextRetry(long now) {
        return attempts.values().stream()
                .mapToLong(Attempts::notBefore)
                .filter(at -> at - now > 0)
                .min();
    }

    /** The join that runs for a worker's engine; null if none does. */
    public @Nullable String running(String worker) {
        return running.get(worker);
    }

    /** Why an engine that waits for weights has none yet; null if no join of it failed. */
    public @Nullable Trouble trouble(String worker) {
        Attempts earlier = attempts.get(worker);
        return earlier == null ? null : new Trouble(earlier.failures(), earlier.reason());
    }

    private static long pid(FleetWorker worker) {
        EngineStatus engine = worker.engine();
        return engine == null ? 0 : engine.pid();
    }
}
