package dev.inflight.coordinator.update;

import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.Aborted;
import dev.inflight.protocol.cluster.WorkerEvent.Begun;
import dev.inflight.protocol.cluster.WorkerEvent.Committed;
import dev.inflight.protocol.cluster.WorkerEvent.Failed;
import dev.inflight.protocol.cluster.WorkerEvent.PrepareRefused;
import dev.inflight.protocol.cluster.WorkerEvent.Prepared;
import dev.inflight.protocol.cluster.WorkerEvent.Progress;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.cluster.WorkerEvent.Staged;
import dev.inflight.protocol.cluster.WorkerEvent.Verified;
import dev.inflight.protocol.cluster.WorkerEvent.WorkerState;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * One epoch on its way to commit or abort. Decisions only: it is told what workers answered, who was lost and which
 * deadline passed, and says what to send next; it knows no actor and no clock.
 *
 * <pre>
 * PREPARING → BEGINNING → STREAMING → STAGED → COMMITTING → COMMITTED
 *     └───────────┴───────────┴→ ABORTING → ABORTED
 * </pre>
 *
 * Entering COMMITTING is the commit point: before it any trouble aborts, after it the update rolls forward.
 */
final class UpdateAttempt {
    enum State {
        PREPARING,
        BEGINNING,
        STREAMING,
        STAGED,
        COMMITTING,
        ABORTING,
        COMMITTED,
        ABORTED;

        boolean ended() {
            return this == COMMITTED || this == ABORTED;
        }
    }

    enum Order {
        PREPARE,
        BEGIN,
        STREAM,
        COMMIT,
        ABORT
    }

    /** An order to some of the members. */
    record Send(Order order, SortedSet<String> workers) {}

    private static final long NO_EPOCH = -1;

    private final long epoch;
    private final SortedSet<String> members;
    private final SortedSet<String> receivers;
    private final SortedMap<String, String> planDigests = new TreeMap<>();
    private final SortedSet<String> begun = new TreeSet<>();
    private final SortedMap<String, Long> loadedBytes = new TreeMap<>();
    private final SortedMap<String, StageReport> reports = new TreeMap<>();
    private final SortedMap<String, Committed> committed = new TreeMap<>();
    private final SortedMap<String, Aborted> aborted = new TreeMap<>();
    private final SortedMap<String, String> failures = new TreeMap<>();
    private final SortedSet<String> lost = new TreeSet<>();
    private final SortedSet<String> lostWhileAborting = new TreeSet<>();
    private State state;
    private @Nullable String reason;
    private @Nullable String blamed;

    private UpdateAttempt(
            long epoch,
            Collection<String> members,
            Collection<String> receivers,
            State state,
            @Nullable String reason) {
        this.epoch = epoch;
        this.members = new TreeSet<>(members);
        this.receivers = new TreeSet<>(receivers);
        this.state = state;
        this.reason = reason;
        if (this.receivers.isEmpty() || !this.members.containsAll(this.receivers)) {
            throw new IllegalArgumentException("receivers " + receivers + " must be some of members " + members);
        }
    }

    static UpdateAttempt of(long epoch, Collection<String> members, Collection<String> receivers) {
        return new UpdateAttempt(epoch, members, receivers, State.PREPARING, null);
    }

    /** Finishes an epoch whose coordinator is gone and which passed its commit point. */
    static UpdateAttempt rollForward(long epoch, Collection<String> members, Collection<String> receivers) {
        return new UpdateAttempt(epoch, members, receivers, State.COMMITTING, null);
    }

    /** Ends an epoch whose coordinator is gone and which did not pass its commit point. */
    static UpdateAttempt giveUp(long epoch, Collection<String> members, Collection<String> receivers, String reason) {
        return new UpdateAttempt(epoch, members, receivers, State.ABORTING, reason);
    }

    /** The first orders. */
    List<Send> start() {
        return switch (state) {
            case COMMITTING -> send(Order.COMMIT, members);
            case ABORTING -> send(Order.ABORT, members);
            default -> send(Order.PREPARE, members);
        };
    }

    /** Takes a worker's answer. Those of other epochs, of strangers and of the wrong state change nothing. */
    List<Send> on(WorkerEvent event) {
        if (!members.contains(event.worker()) || epochOf(event) != epoch) {
            return List.of();
        }
        return switch (event) {
            case Prepared prepared -> onPrepared(prepared);
            case PrepareRefused refused -> onPrepareRefused(refused);
            case Begun done -> onBegun(done);
            case Progress progress -> onProgress(progress);
            case Staged staged -> onStaged(staged);
            case Failed failed -> onFailed(failed);
            case Committed done -> onCommitted(done);
            case Aborted done -> onAborted(done);
            case WorkerState other -> List.of();
            case Verified other -> List.of();
        };
    }

    private static long epochOf(WorkerEvent event) {
        return switch (event) {
            case Prepared prepared -> prepared.epoch();
            case PrepareRefused refused -> refused.epoch();
            case Begun done -> done.epoch();
            case Progress progress -> progress.epoch();
            case Staged staged -> staged.epoch();
            case Failed failed -> failed.epoch();
            case Committed done -> done.epoch();
            case Aborted done -> done.epoch();
            case WorkerState other -> NO_EPOCH;
            case Verified other -> NO_EPOCH;
        };
    }

    /** A member is gone: its process, its machine or the way to it. */
    List<Send> lost(String worker) {
        if (state.ended() || !members.contains(worker) || !lost.add(worker)) {
            return List.of();
        }
        return switch (state) {
            case PREPARING, BEGINNING, STREAMING, STAGED -> abort("worker " + worker + " was lost");
            case COMMITTING -> {
                if (!committed.containsKey(worker)) {
                    failures.putIfAbsent(worker, "lost after the commit point");
                }
                yield settleCommit();
            }
            default -> {
                lostWhileAborting.add(worker);
                yield settleAbort();
            }
        };
    }

    /** The present state's deadline passed. */
    List<Send> deadline(String waited) {
        return switch (state) {
            case PREPARING -> abort("no plan from " + missing(planDigests.keySet(), members) + " within " + waited);
            case BEGINNING -> abort("no pause of the engine from " + missing(begun, members) + " within " + waited);
            case STREAMING, STAGED ->
                abort("nothing more from " + missing(reports.keySet(), receivers) + " for " + waited
                        + " while streaming");
            case COMMITTING -> {
                missing(committed.keySet(), receivers)
                        .forEach(worker ->
                                failures.putIfAbsent(worker, "did not say within " + waited + " that it committed"));
                yield settleCommit();
            }
            case ABORTING -> {
                state = State.ABORTED;
                yield List.of();
            }
            case COMMITTED, ABORTED -> List.of();
        };
    }

    /** Time to say it again to those that have not answered. */
    List<Send> resend() {
        return switch (state) {
            case COMMITTING -> send(Order.COMMIT, unanswered(committed.keySet()));
            case ABORTING -> send(Order.ABORT, unanswered(aborted.keySet()));
            default -> List.of();
        };
    }

    private List<Send> onPrepared(Prepared prepared) {
        if (state != State.PREPARING) {
            return List.of();
        }
        planDigests.put(prepared.worker(), prepared.planDigest());
        if (!planDigests.keySet().containsAll(members)) {
            return List.of();
        }
        if (planDigests.values().stream().distinct().count() > 1) {
            return abort("workers computed different plans, so their software or files differ: " + planDigests);
        }
        state = State.BEGINNING;
        return send(Order.BEGIN, members);
    }

    private List<Send> onBegun(Begun done) {
        if (state != State.BEGINNING) {
            return List.of();
        }
        begun.add(done.worker());
        if (!begun.containsAll(members)) {
            return List.of();
        }
        state = State.STREAMING;
        return send(Order.STREAM, members);
    }

    private List<Send> onPrepareRefused(PrepareRefused refused) {
        return state == State.PREPARING
                ? abort(refused.worker() + " cannot take part: " + refused.message())
                : List.of();
    }

    private List<Send> onProgress(Progress progress) {
        if (receivers.contains(progress.worker())) {
            loadedBytes.merge(progress.worker(), progress.loadedBytes(), Math::max);
        }
        return List.of();
    }

    private List<Send> onStaged(Staged staged) {
        if (state != State.STREAMING && state != State.COMMITTING) {
            return List.of();
        }
        reports.put(staged.worker(), staged.report());
        if (receivers.contains(staged.worker())) {
            loadedBytes.merge(staged.worker(), staged.report().loadedBytes(), Math::max);
        }
        // A source without an engine has done its part once every receiver has everything.
        if (state != State.STREAMING || !reports.keySet().containsAll(receivers)) {
            return List.of();
        }
        state = State.STAGED;
        return commit();
    }

    private List<Send> commit() {
        state = State.COMMITTING;
        return send(Order.COMMIT, members);
    }

    private List<Send> onFailed(Failed failed) {
        String suspect = failed.suspect();
        String told = failed.worker() + ": " + failed.reason() + (suspect == null ? "" : " (suspect: " + suspect + ")");
        return switch (state) {
            case PREPARING, BEGINNING, STREAMING, STAGED -> {
                blamed = suspect;
                yield abort(told);
            }
            case ABORTING -> {
                // Who was blamed by another knows better what happened.
                if (failed.worker().equals(blamed)) {
                    reason = told;
                    blamed = suspect;
                }
                yield List.of();
            }
            case COMMITTING -> {
                if (!committed.containsKey(failed.worker())) {
                    failures.putIfAbsent(failed.worker(), failed.reason());
                }
                yield settleCommit();
            }
            default -> List.of();
        };
    }

    private List<Send> onCommitted(Committed done) {
        if (state != State.COMMITTING) {
            return List.of();
        }
        committed.put(done.worker(), done);
        failures.remove(done.worker());
        return settleCommit();
    }

    private List<Send> onAborted(Aborted done) {
        if (state != State.ABORTING) {
            return List.of();
        }
        aborted.put(done.worker(), done);
        return settleAbort();
    }

    private List<Send> abort(String why) {
        state = State.ABORTING;
        reason = why;
        SortedSet<String> alive = new TreeSet<>(members);
        alive.removeAll(lost);
        return alive.isEmpty() ? settleAbort() : send(Order.ABORT, members);
    }

    private List<Send> settleCommit() {
        if (receivers.stream().allMatch(w -> committed.containsKey(w) || failures.containsKey(w))) {
            state = State.COMMITTED;
        }
        return List.of();
    }

    private List<Send> settleAbort() {
        if (unanswered(aborted.keySet()).isEmpty()) {
            state = State.ABORTED;
        }
        return List.of();
    }

    private SortedSet<String> unanswered(Collection<String> answered) {
        SortedSet<String> rest = missing(answered, members);
        rest.removeAll(lost);
        return rest;
    }

    private static SortedSet<String> missing(Collection<String> present, Collection<String> expected) {
        SortedSet<String> rest = new TreeSet<>(expected);
        rest.removeAll(present);
        return rest;
    }

    private static List<Send> send(Order order, SortedSet<String> workers) {
        return workers.isEmpty() ? List.of() : List.of(new Send(order, new TreeSet<>(workers)));
    }

    State state() {
        return state;
    }

    long epoch() {
        return epoch;
    }

    SortedSet<String> members() {
        return members;
    }

    SortedSet<String> receivers() {
        return receivers;
    }

    /**
     * Why it was aborted; null while it was not. Peers see of a lost worker only that connections end, perhaps first one
     * between two that live on, so who was lost goes before what a worker says of another.
     */
    @Nullable
    String reason() {
        if (reason == null || lostWhileAborting.isEmpty()) {
            return reason;
        }
        String gone = lostWhileAborting.size() == 1
                ? "worker " + lostWhileAborting.first() + " was lost"
                : "workers " + lostWhileAborting + " were lost";
        return blamed != null && members.contains(blamed)
                ? gone + "; first noticed by " + reason
                : reason + "; then " + gone;
    }

    /** What all members agree on; null until they do. */
    @Nullable
    String planDigest() {
        return planDigests.keySet().containsAll(members)
                ? planDigests.firstEntry().getValue()
                : null;
    }

    long loadedBytes() {
        return loadedBytes.values().stream().mapToLong(Long::longValue).sum();
    }

    Collection<StageReport> reports() {
        return reports.values();
    }

    Map<String, Committed> committed() {
        return committed;
    }

    /** Answers to the abort, by worker. */
    Map<String, Aborted> aborted() {
        return aborted;
    }

    /** Why a receiver did not become live although the update committed, by worker. */
    Map<String, String> failures() {
        return failures;
    }
}
