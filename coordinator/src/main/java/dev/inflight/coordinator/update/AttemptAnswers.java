package dev.inflight.coordinator.update;

import static dev.inflight.coordinator.update.AttemptMembers.without;

import dev.inflight.coordinator.update.UpdateAttempt.State;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.Aborted;
import dev.inflight.protocol.cluster.WorkerEvent.Begun;
import dev.inflight.protocol.cluster.WorkerEvent.Committed;
import dev.inflight.protocol.cluster.WorkerEvent.Prepared;
import dev.inflight.protocol.cluster.WorkerEvent.Progress;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.cluster.WorkerEvent.Staged;
import java.util.Collection;
import java.util.Map;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * What each state of an attempt asks of its members, what they have answered, and whose answers are awaited. The commit
 * has a second answer, which others may give for a receiver: that it does not become live.
 */
final class AttemptAnswers {
    private final AttemptMembers members;
    private final SortedMap<String, String> planDigests = new TreeMap<>();
    private final SortedSet<String> begun = new TreeSet<>();
    private final SortedMap<String, Long> loadedBytes = new TreeMap<>();
    private final SortedMap<String, Long> checkedBytes = new TreeMap<>();
    private final SortedMap<String, StageReport> reports = new TreeMap<>();
    private final SortedMap<String, Committed> committed = new TreeMap<>();
    private final SortedMap<String, String> notLive = new TreeMap<>();
    private final SortedMap<String, Aborted> aborted = new TreeMap<>();

    AttemptAnswers(AttemptMembers members) {
        this.members = members;
    }

    /** Takes a member's answer; false if it does not answer what {@code state} asks. */
    boolean take(State state, WorkerEvent answer) {
        if (!asks(state, answer)) {
            return false;
        }
        switch (answer) {
            case Prepared done -> planDigests.put(done.worker(), done.planDigest());
            case Begun done -> begun.add(done.worker());
            case Staged done -> staged(done);
            case Committed done -> {
                committed.put(done.worker(), done);
                notLive.remove(done.worker());
            }
            case Aborted done -> aborted.put(done.worker(), done);
            default -> throw new IllegalArgumentException(answer + " answers nothing");
        }
        return true;
    }

    private static boolean asks(State state, WorkerEvent answer) {
        return switch (state) {
            case PREPARING -> answer instanceof Prepared;
            case BEGINNING -> answer instanceof Begun;
            case STREAMING, STAGED -> answer instanceof Staged;
            // Reports of sources without an engine, which nobody waits for, may come late.
            case COMMITTING -> answer instanceof Committed || answer instanceof Staged;
            case ABORTING -> answer instanceof Aborted;
            case COMMITTED, ABORTED -> false;
        };
    }

    private void staged(Staged done) {
        reports.put(done.worker(), done.report());
        moved(done.worker(), done.report().loadedBytes(), 0);
    }

    void progress(Progress progress) {
        moved(progress.worker(), progress.loadedBytes(), progress.checkedBytes());
    }

    private void moved(String worker, long loaded, long checked) {
        if (members.isReceiver(worker)) {
            loadedBytes.merge(worker, loaded, Math::max);
            checkedBytes.merge(worker, checked, Math::max);
        }
    }

    /** Says why a worker does not become live; changes nothing if it is, or if that was said before. */
    void notLive(String worker, String why) {
        if (!committed.containsKey(worker)) {
            notLive.putIfAbsent(worker, why);
        }
    }

    /** Forgets what a member answered that is dropped. */
    void forget(String worker) {
        planDigests.remove(worker);
        begun.remove(worker);
        loadedBytes.remove(worker);
        checkedBytes.remove(worker);
        reports.remove(worker);
    }

    /** Members without whose answers {@code state} is not left. */
    SortedSet<String> awaited(State state) {
        return switch (state) {
            case PREPARING -> without(planDigests.keySet(), members.active());
            case BEGINNING -> without(begun, members.active());
            // A source without an engine has done its part once every receiver has everything.
            case STREAMING -> without(reports.keySet(), members.takers());
            case COMMITTING -> without(notLive.keySet(), without(committed.keySet(), members.takers()));
            case ABORTING -> without(aborted.keySet(), members.alive());
            case STAGED, COMMITTED, ABORTED -> new TreeSet<>();
        };
    }

    /** Members that have not said that they committed, those included that nobody waits for. */
    SortedSet<String> uncommitted() {
        return without(committed.keySet(), members.alive());
    }

    SortedMap<String, String> planDigests() {
        return planDigests;
    }

    boolean plansDiffer() {
        return planDigests.values().stream().distinct().count() > 1;
    }

    /** What all members agree on; null until they do. */
    @Nullable
    String planDigest() {
        return !planDigests.isEmpty() && awaited(State.PREPARING).isEmpty()
                ? planDigests.firstEntry().getValue()
                : null;
    }

    long loadedBytes() {
        return sum(loadedBytes);
    }

    /** What was loaded and what of it was compared in the engines, together: it grows as long as anything moves. */
    long movedBytes() {
        return sum(loadedBytes) + sum(checkedBytes);
    }

    private static long sum(SortedMap<String, Long> bytes) {
        return bytes.values().stream().mapToLong(Long::longValue).sum();
    }

    Collection<StageReport> reports() {
        return reports.values();
    }

    Map<String, Committed> committed() {
        return committed;
    }

    Map<String, Aborted> aborted() {
        return aborted;
    }

    /** Why a receiver did not become live although the update committed, by worker. */
    Map<String, String> failures() {
        Map<String, String> all = new TreeMap<>(members.dropped());
        all.putAll(notLive);
        all.keySet().retainAll(members.receivers());
        return all;
    }
}
