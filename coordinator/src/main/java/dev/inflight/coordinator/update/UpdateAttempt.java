package dev.inflight.coordinator.update;

import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.Aborted;
import dev.inflight.protocol.cluster.WorkerEvent.Begun;
import dev.inflight.protocol.cluster.WorkerEvent.Committed;
import dev.inflight.protocol.cluster.WorkerEvent.ConsumerLost;
import dev.inflight.protocol.cluster.WorkerEvent.Failed;
import dev.inflight.protocol.cluster.WorkerEvent.HeldUp;
import dev.inflight.protocol.cluster.WorkerEvent.OwnerLost;
import dev.inflight.protocol.cluster.WorkerEvent.PrepareRefused;
import dev.inflight.protocol.cluster.WorkerEvent.Prepared;
import dev.inflight.protocol.cluster.WorkerEvent.Progress;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.cluster.WorkerEvent.Staged;
import dev.inflight.protocol.cluster.WorkerEvent.Verified;
import dev.inflight.protocol.cluster.WorkerEvent.WorkerState;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
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
 * Entering COMMITTING is the commit point: before it trouble aborts, after it the update rolls forward. It waits in STAGED
 * until it is confirmed that its coordinator still is the one that decides. A receiver that
 * no other member needs does not abort it by being lost: it is dropped, and the attempt goes on. So does it without an
 * owner that others can stand in for; only while PREPARING that ends the attempt, which is then worth another one.
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
        /** One of the members is held up: that nothing moves is no stall. */
        HOLD_ON,
        /** One of the members, which may have been dropped, takes nothing more. */
        DROP,
        /** To nobody: whether the coordinator still decides is to be found out. */
        CONFIRM,
        COMMIT,
        ABORT
    }

    /**
     * An order to some of the members.
     *
     * @param about who is to be dropped; null with other orders
     */
    record Send(
            Order order,
            SortedSet<String> workers,
            @Nullable String about) {}

    private static final long NO_EPOCH = -1;

    private final long epoch;
    private final SortedSet<String> members;
    private final SortedSet<String> receivers;
    private final SortedMap<String, String> expendable;
    private final SortedSet<String> replaceable;
    private final SortedMap<String, String> dropped = new TreeMap<>();
    private final SortedMap<String, Set<String>> missed = new TreeMap<>();
    private final SortedMap<String, String> planDigests = new TreeMap<>();
    private final SortedSet<String> begun = new TreeSet<>();
    private final SortedMap<String, Long> loadedBytes = new TreeMap<>();
    private final SortedMap<String, Long> checkedBytes = new TreeMap<>();
    private final SortedMap<String, StageReport> reports = new TreeMap<>();
    private final SortedMap<String, Committed> committed = new TreeMap<>();
    private final SortedMap<String, Aborted> aborted = new TreeMap<>();
    private final SortedMap<String, String> failures = new TreeMap<>();
    private final SortedSet<String> lost = new TreeSet<>();
    private final SortedSet<String> lostWhileAborting = new TreeSet<>();
    private State state;
    private @Nullable String reason;
    private @Nullable String blamed;
    private boolean untouched;
    private boolean shrunk;

    private UpdateAttempt(
            long epoch,
            Collection<String> members,
            Collection<String> receivers,
            Map<String, String> expendable,
            Collection<String> replaceable,
            State state,
            @Nullable String reason) {
        this.epoch = epoch;
        this.members = new TreeSet<>(members);
        this.receivers = new TreeSet<>(receivers);
        this.expendable = new TreeMap<>(expendable);
        this.replaceable = new TreeSet<>(replaceable);
        this.state = state;
        this.reason = reason;
        if (this.receivers.isEmpty() || !this.members.containsAll(this.receivers)) {
            throw new IllegalArgumentException("receivers " + receivers + " must be some of members " + members);
        }
    }

    /** An attempt that needs every member. */
    static UpdateAttempt of(long epoch, Collection<String> members, Collection<String> receivers) {
        return of(epoch, members, receivers, Map.of(), Set.of());
    }

    /**
     * @param expendable receivers that no other member needs, by worker the id of their engine: if one of them is lost
     *     before the commit point, the attempt goes on with the others
     * @param replaceable owners that others can stand in for: the same holds for them, and for their engines if they
     *     are among the expendable
     */
    static UpdateAttempt of(
            long epoch,
            Collection<String> members,
            Collection<String> receivers,
            Map<String, String> expendable,
            Collection<String> replaceable) {
        return new UpdateAttempt(epoch, members, receivers, expendable, replaceable, State.PREPARING, null);
    }

    /** Finishes an epoch whose coordinator is gone and which passed its commit point. */
    static UpdateAttempt rollForward(long epoch, Collection<String> members, Collection<String> receivers) {
        return new UpdateAttempt(epoch, members, receivers, Map.of(), Set.of(), State.COMMITTING, null);
    }

    /** Ends an epoch whose coordinator is gone and which did not pass its commit point. */
    static UpdateAttempt giveUp(long epoch, Collection<String> members, Collection<String> receivers, String reason) {
        return new UpdateAttempt(epoch, members, receivers, Map.of(), Set.of(), State.ABORTING, reason);
    }

    /** The first orders. */
    List<Send> start() {
        return switch (state) {
            case COMMITTING -> send(Order.COMMIT, active());
            case ABORTING -> send(Order.ABORT, active());
            default -> send(Order.PREPARE, active());
        };
    }

    /** Takes a worker's answer. Those of other epochs, of strangers and of the wrong state change nothing. */
    List<Send> on(WorkerEvent event) {
        if (!members.contains(event.worker()) || epochOf(event) != epoch) {
            return List.of();
        }
        if (dropped.containsKey(event.worker())) {
            if (event instanceof Aborted done) {
                aborted.put(done.worker(), done);
            }
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
            case ConsumerLost told -> onConsumerLost(told);
            case OwnerLost told -> onOwnerLost(told);
            case HeldUp told -> state == State.STREAMING ? send(Order.HOLD_ON, active()) : List.of();
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
            case ConsumerLost told -> told.epoch();
            case OwnerLost told -> told.epoch();
            case HeldUp told -> told.epoch();
            case WorkerState other -> NO_EPOCH;
            case Verified other -> NO_EPOCH;
        };
    }

    /** A member is gone: its process, its machine or the way to it. */
    List<Send> lost(String worker) {
        if (state.ended() || !members.contains(worker) || dropped.containsKey(worker) || !lost.add(worker)) {
            return List.of();
        }
        if (canDrop(worker)) {
            return drop(worker, "lost before the commit point");
        }
        shrunk |= outlivesOwners();
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

    /** It is not wanted any more; changes nothing after the commit point. */
    List<Send> cancel(String why) {
        return isBeforeCommit() ? abort(why) : List.of();
    }

    /** The present state's deadline passed. */
    List<Send> deadline(String waited) {
        return switch (state) {
            case PREPARING -> abort("no plan from " + missing(planDigests.keySet(), active()) + " within " + waited);
            case BEGINNING -> abort("no pause of the engine from " + missing(begun, active()) + " within " + waited);
            case STAGED ->
                abort("no majority of the coordinator nodes confirmed within " + waited
                        + " that this coordinator still decides");
            case STREAMING ->
                abort("nothing more from " + missing(reports.keySet(), takers()) + " for " + waited
                        + " while streaming");
            case COMMITTING -> {
                missing(committed.keySet(), takers())
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
            case STAGED -> send(Order.CONFIRM, active());
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
        return proceed();
    }

    private List<Send> onBegun(Begun done) {
        if (state != State.BEGINNING) {
            return List.of();
        }
        begun.add(done.worker());
        return proceed();
    }

    /** What follows once all have done what the present state waits for. */
    private List<Send> proceed() {
        return switch (state) {
            case PREPARING -> planDigests.keySet().containsAll(active()) ? begin() : List.of();
            case BEGINNING -> begun.containsAll(active()) ? stream() : List.of();
            // A source without an engine has done its part once every receiver has everything.
            case STREAMING -> reports.keySet().containsAll(takers()) ? staged() : List.of();
            default -> List.of();
        };
    }

    private List<Send> begin() {
        if (planDigests.values().stream().distinct().count() > 1) {
            return abort("workers computed different plans, so their software or files differ: " + planDigests);
        }
        state = State.BEGINNING;
        return send(Order.BEGIN, active());
    }

    private List<Send> stream() {
        state = State.STREAMING;
        return send(Order.STREAM, active());
    }

    private List<Send> staged() {
        state = State.STAGED;
        return send(Order.CONFIRM, active());
    }

    /** Its coordinator still decides: the commit point. */
    List<Send> confirmed() {
        return state == State.STAGED ? commit() : List.of();
    }

    private List<Send> commit() {
        state = State.COMMITTING;
        return send(Order.COMMIT, active());
    }

    private List<Send> onPrepareRefused(PrepareRefused refused) {
        return state == State.PREPARING
                ? abort(refused.worker() + " cannot take part: " + refused.message())
                : List.of();
    }

    private List<Send> onProgress(Progress progress) {
        if (receivers.contains(progress.worker())) {
            loadedBytes.merge(progress.worker(), progress.loadedBytes(), Math::max);
            checkedBytes.merge(progress.worker(), progress.checkedBytes(), Math::max);
        }
        return List.of();
    }

    private List<Send> onStaged(Staged staged) {
        if (state != State.STREAMING && state != State.STAGED && state != State.COMMITTING) {
            return List.of();
        }
        reports.put(staged.worker(), staged.report());
        if (receivers.contains(staged.worker())) {
            loadedBytes.merge(staged.worker(), staged.report().loadedBytes(), Math::max);
        }
        return proceed();
    }

    private List<Send> onFailed(Failed failed) {
        String suspect = failed.suspect();
        String told = failed.worker() + ": " + failed.reason() + (suspect == null ? "" : " (suspect: " + suspect + ")");
        return switch (state) {
            case PREPARING, BEGINNING, STREAMING, STAGED -> {
                // A worker whose engine is gone names it.
                if (canDrop(failed.worker()) && isEngineOf(failed.worker(), suspect)) {
                    yield drop(failed.worker(), failed.reason());
                }
                shrunk |= outlivesOwners() && isEngineOf(failed.worker(), suspect);
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

    private boolean isEngineOf(String worker, @Nullable String suspect) {
        return suspect != null && Objects.equals(suspect, expendable.get(worker));
    }

    private List<Send> onConsumerLost(ConsumerLost told) {
        if (!isMoving() || dropped.containsKey(told.consumer())) {
            return List.of();
        }
        boolean lostToEachOther = lostTo(told.consumer()).contains(told.worker());
        if (replaceable.contains(told.consumer()) || lostToEachOther) {
            // An owner is dropped only if the cluster has lost it, or its engine is gone.
            return List.of();
        }
        String reason = "consumer " + told.consumer() + " was lost: " + told.reason();
        return canDrop(told.consumer())
                ? drop(told.consumer(), reason + ", said " + told.worker())
                : onFailed(new Failed(told.worker(), epoch, reason, told.consumer()));
    }

    /** Perhaps it lives, and only the way between the two is gone. Then it goes on without that consumer. */
    private List<Send> onOwnerLost(OwnerLost told) {
        boolean known = dropped.containsKey(told.owner());
        if (!isMoving() || known || !replaceable.contains(told.owner())) {
            return List.of();
        }
        missed.computeIfAbsent(told.worker(), worker -> new TreeSet<>()).add(told.owner());
        return List.of(new Send(Order.DROP, new TreeSet<>(Set.of(told.owner())), told.worker()));
    }

    /** Whether some receiver still lacks something. */
    private boolean isMoving() {
        return state.compareTo(State.STAGED) < 0;
    }

    private boolean isBeforeCommit() {
        return state.compareTo(State.COMMITTING) < 0;
    }

    /** The last one that takes anything is not dropped: nothing would be left to commit. */
    private boolean canDrop(String worker) {
        boolean owner = replaceable.contains(worker);
        return isBeforeCommit()
                && (owner ? state != State.PREPARING : expendable.containsKey(worker))
                && !dropped.containsKey(worker)
                && takers().stream().anyMatch(taker -> !taker.equals(worker));
    }

    private List<Send> drop(String worker, String why) {
        dropped.put(worker, why);
        planDigests.remove(worker);
        begun.remove(worker);
        reports.remove(worker);
        loadedBytes.remove(worker);
        checkedBytes.remove(worker);
        missed.remove(worker);
        List<Send> sends = new ArrayList<>();
        sends.add(new Send(Order.DROP, active(), worker));
        // If it lives, it must know; it is not waited for.
        sends.add(new Send(Order.ABORT, new TreeSet<>(Set.of(worker)), null));
        sends.addAll(proceed());
        return sends;
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
        untouched = state == State.PREPARING;
        state = State.ABORTING;
        reason = why;
        SortedSet<String> alive = active();
        alive.removeAll(lost);
        return alive.isEmpty() ? settleAbort() : send(Order.ABORT, active());
    }

    private List<Send> settleCommit() {
        if (takers().stream().allMatch(w -> committed.containsKey(w) || failures.containsKey(w))) {
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
        SortedSet<String> rest = missing(answered, active());
        rest.removeAll(lost);
        return rest;
    }

    /** Members that were not dropped. */
    SortedSet<String> active() {
        return missing(dropped.keySet(), members);
    }

    /** Owners that were dropped or that some receiver misses, as long as something is to come from them. */
    SortedSet<String> lostOwners() {
        TreeSet<String> all = new TreeSet<>(dropped.keySet());
        missed.values().forEach(all::addAll);
        all.retainAll(isMoving() ? replaceable : Set.of());
        return all;
    }

    /** Those of them that a worker takes nothing more from. */
    SortedSet<String> lostTo(String worker) {
        SortedSet<String> all = new TreeSet<>(dropped.keySet());
        all.addAll(missed.getOrDefault(worker, Set.of()));
        all.retainAll(replaceable);
        return all;
    }

    /** Whether it can go on without some of its owners. */
    boolean outlivesOwners() {
        return !replaceable.isEmpty();
    }

    /** Whether it was aborted by the loss of a member before any engine was touched: those that are left may do. */
    boolean isWorthAnother() {
        return state == State.ABORTED && untouched && shrunk;
    }

    /** Receivers that were not dropped. */
    SortedSet<String> takers() {
        return missing(dropped.keySet(), receivers);
    }

    private static SortedSet<String> missing(Collection<String> present, Collection<String> expected) {
        SortedSet<String> rest = new TreeSet<>(expected);
        rest.removeAll(present);
        return rest;
    }

    private static List<Send> send(Order order, SortedSet<String> workers) {
        return workers.isEmpty() ? List.of() : List.of(new Send(order, new TreeSet<>(workers), null));
    }

    State state() {
        return state;
    }

    long epoch() {
        return epoch;
    }

    /** Those that it began with. */
    SortedSet<String> members() {
        return members;
    }

    /** Those that it began with. */
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
        return !planDigests.isEmpty() && planDigests.keySet().containsAll(active())
                ? planDigests.firstEntry().getValue()
                : null;
    }

    long loadedBytes() {
        return loadedBytes.values().stream().mapToLong(Long::longValue).sum();
    }

    /** What was loaded and what of it was compared in the engines, together: it grows as long as anything moves. */
    long movedBytes() {
        return loadedBytes()
                + checkedBytes.values().stream().mapToLong(Long::longValue).sum();
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
        Map<String, String> all = new TreeMap<>(dropped);
        all.putAll(failures);
        all.keySet().retainAll(receivers);
        return all;
    }
}
