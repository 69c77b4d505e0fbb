package dev.inflight.coordinator.update;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.WorkerEvent.Aborted;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** Which engines must get back the version they had after an abort left them without weights. */
final class Rollback {
    /** A restoring update that is due. */
    record Due(UpdateRequest request, Set<String> workers) {}

    private final Map<String, CheckpointRef> versions;
    private final int mostAborts;
    private final SortedMap<String, TreeSet<String>> pending = new TreeMap<>();
    private final List<String> problems = new ArrayList<>();
    private Map<String, String> versionBefore = Map.of();
    private boolean needed;
    private int aborts;

    /**
     * @param versions published versions of the model, by name
     * @param mostAborts give up after this many restoring updates were aborted
     */
    Rollback(Map<String, CheckpointRef> versions, int mostAborts) {
        this.versions = versions;
        this.mostAborts = mostAborts;
    }

    /** Says which version each worker's engine had before the update. */
    void goal(Map<String, String> before) {
        versionBefore = Map.copyOf(before);
    }

    /** Which version each worker's engine had before the update. */
    Map<String, String> versionBefore() {
        return versionBefore;
    }

    /** Takes the answers to an abort; engines that had no version before need nothing. */
    void afterAbort(Collection<Aborted> answers) {
        for (Aborted answer : answers) {
            if (isWithoutWeights(answer.engine())) {
                restore(answer.worker());
            }
        }
    }

    /** Takes engines that were out of touch when the update was aborted and are back without weights. */
    void afterAbort(Map<String, Aborted> answers, Fleet fleet) {
        for (FleetWorker worker : fleet.workers().values()) {
            Aborted answer = answers.get(worker.id());
            if ((answer == null || answer.engine() == null) && isWithoutWeights(worker.engine())) {
                restore(worker.id());
            }
        }
    }

    private void restore(String worker) {
        String version = versionBefore.get(worker);
        if (version != null) {
            pending.computeIfAbsent(version, v -> new TreeSet<>()).add(worker);
            needed = true;
        }
    }

    private static boolean isWithoutWeights(@Nullable EngineStatus engine) {
        return engine != null && engine.state() == EngineStatus.State.PENDING_WEIGHTS;
    }

    /** A restoring update was aborted itself. */
    void aborted(@Nullable String reason) {
        if (++aborts >= mostAborts) {
            problem("gave up after " + aborts + " aborted restoring updates; the last: " + reason);
            pending.clear();
        }
    }

    void problem(String message) {
        problems.add(message);
    }

    /** The next restoring update; null if none is due. */
    @Nullable
    Due next() {
        while (!pending.isEmpty()) {
            String version = pending.firstKey();
            TreeSet<String> workers = Objects.requireNonNull(pending.remove(version));
            CheckpointRef checkpoint = versions.get(version);
            if (checkpoint != null && mostAborts > 0) {
                return new Due(new UpdateRequest(checkpoint, LoadMode.IN_PLACE, Strategy.BROADCAST, null), workers);
            }
            problem(
                    checkpoint == null
                            ? "version " + version + " is no longer published, so " + workers + " stay without weights"
                            : "restoring updates are switched off (restore-attempts = 0)");
        }
        return null;
    }

    /** What came of it; null if none was needed. */
    UpdateResult.@Nullable Restore result(double seconds) {
        if (!needed) {
            return null;
        }
        return problems.isEmpty()
                ? new UpdateResult.Restore("restored", seconds, null)
                : new UpdateResult.Restore("failed", seconds, String.join("; ", problems));
    }
}
