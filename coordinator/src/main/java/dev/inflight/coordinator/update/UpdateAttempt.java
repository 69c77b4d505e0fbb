package dev.inflight.coordinator.update;

import dev.inflight.coordinator.update.Send.Order;
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
import java.util.Set;
import java.util.SortedSet;
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
 * until it is confirmed that its coordinator still is the one that decides. A receiver that no other member needs does
 * not abort it by being lost: it is dropped, and the attempt goes on. So does it without an owner that others can stand
 * in for; only while PREPARING that ends the attempt, which is then worth another one.
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

    private static final long NO_EPOCH = -1;

    private final long epoch;
    private final AttemptMembers members;
    private final AttemptAnswers answers;
    private State state;
    private @Nullable AbortReason reason;
    private boolean untouched;
    private boolean shrunk;

    private UpdateAttempt(long epoch, AttemptMembers members, State state, @Nullable AbortReason reason) {
        this.epoch = epoch;
        this.members = members;
        this.answers = new AttemptAnswers(members);
        this.state = state;
        this.reason = reason;
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
        return new UpdateAttempt(
                epoch, new AttemptMembers(members, receivers, expendable, replaceable), State.PREPARING, null);
    }

    /** Finishes an epoch whose coordinator is gone and which passed its commit point. */
    static UpdateAttempt rollForward(long epoch, Collection<String> members, Collection<String> receivers) {
        return new UpdateAttempt(
                epoch, new AttemptMembers(members, receivers, Map.of(), Set.of()), State.COMMITTING, null);
    }

    /** Ends an epoch whose coordinator is gone and which did not pass its commit point. */
    static UpdateAttempt giveUp(long epoch, Collection<String> members, Collection<String> receivers, String reason) {
        return new UpdateAttempt(
                epoch,
                new AttemptMembers(members, receivers, Map.of(), Set.of()),
                State.ABORTING,
                new AbortReason(reason, null));
    }

    /** The first orders. */
    List<Send> start() {
        return switch (state) {
            case COMMITTING -> send(Order.COMMIT, members.active());
            case ABORTING -> send(Order.ABORT, members.active());
            default -> send(Order.PREPARE, members.active());
        };
    }

    /** Takes a worker's answer. Those of other epochs, of strangers and of the wrong state change nothing. */
    List<Send> on(WorkerEvent event) {
        if (!members.contains(event.worker()) || epochOf(event) != epoch) {
            return List.of();
        }
        if (members.isDropped(event.worker())) {
            // It was told to abort whatever state the others are in.
            answers.take(State.ABORTING, event);
            return List.of();
        }
        return switch (event) {
            case Prepared done -> onAnswer(done);
            case Begun done -> onAnswer(done);
            case Staged done -> onAnswer(done);
            case Committed done -> onAnswer(done);
            case Aborted done -> onAnswer(done);
            case PrepareRefused refused -> onPrepareRefused(refused);
            case Progress progress -> {
                answers.progress(progress);
                yield List.of();
            }
            case Failed failed -> onFailed(failed);
            case ConsumerLost told -> onConsumerLost(told);
            case OwnerLost told -> onOwnerLost(told);
            case HeldUp told -> state == State.STREAMING ? send(Order.HOLD_ON, members.active()) : List.of();
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
        if (state.ended() || !members.lose(worker)) {
            return List.of();
        }
        if (canDrop(worker)) {
            return drop(worker, "lost before the commit point");
        }
        shrunk |= members.outliveOwners();
        if (isBeforeCommit()) {
            return abort("worker " + worker + " was lost");
        }
        if (reason != null) {
            reason.lost(worker);
        } else {
            answers.notLive(worker, "lost after the commit point");
        }
        return proceed();
    }

    /** It is not wanted any more; changes nothing after the commit point. */
    List<Send> cancel(String why) {
        return isBeforeCommit() ? abort(why) : List.of();
    }

    /** Its coordinator still decides: the commit point. */
    List<Send> confirmed() {
        return state == State.STAGED ? enter(State.COMMITTING, Order.COMMIT) : List.of();
    }

    /** The present state's deadline passed. */
    List<Send> deadline(String waited) {
        SortedSet<String> awaited = answers.awaited(state);
        return switch (state) {
            case PREPARING -> abort("no plan from " + awaited + " within " + waited);
            case BEGINNING -> abort("no pause of the engine from " + awaited + " within " + waited);
            case STREAMING -> abort("nothing more from " + awaited + " for " + waited + " while streaming");
            case STAGED ->
                abort("no majority of the coordinator nodes confirmed within " + waited
                        + " that this coordinator still decides");
            case COMMITTING -> {
                awaited.forEach(
                        worker -> answers.notLive(worker, "did not say within " + waited + " that it committed"));
                yield proceed();
            }
            case ABORTING -> end(State.ABORTED);
            case COMMITTED, ABORTED -> List.of();
        };
    }

    /** Time to say it again to those that have not answered. */
    List<Send> resend() {
        return switch (state) {
            case STAGED -> send(Order.CONFIRM, members.active());
            case COMMITTING -> send(Order.COMMIT, answers.uncommitted());
            case ABORTING -> send(Order.ABORT, answers.awaited(state));
            default -> List.of();
        };
    }

    /** What follows once all have done what the present state waits for. */
    private List<Send> proceed() {
        if (!answers.awaited(state).isEmpty()) {
            return List.of();
        }
        return switch (state) {
            case PREPARING ->
                answers.plansDiffer()
                        ? abort("workers computed different plans, so their software or files differ: "
                                + answers.planDigests())
                        : enter(State.BEGINNING, Order.BEGIN);
            case BEGINNING -> enter(State.STREAMING, Order.STREAM);
            case STREAMING -> enter(State.STAGED, Order.CONFIRM);
            case COMMITTING -> end(State.COMMITTED);
            case ABORTING -> end(State.ABORTED);
            case STAGED, COMMITTED, ABORTED -> List.of();
        };
    }

    private List<Send> enter(State next, Order order) {
        state = next;
        return send(order, members.active());
    }

    private List<Send> end(State last) {
        state = last;
        return List.of();
    }

    private List<Send> abort(String why) {
        return abort(new AbortReason(why, null));
    }

    private List<Send> abort(AbortReason why) {
        untouched = state == State.PREPARING;
        reason = why;
        List<Send> sends = enter(State.ABORTING, Order.ABORT);
        // Nobody is told if nobody is left.
        return members.alive().isEmpty() ? proceed() : sends;
    }

    private List<Send> onAnswer(WorkerEvent answer) {
        return answers.take(state, answer) ? proceed() : List.of();
    }

    private List<Send> onPrepareRefused(PrepareRefused refused) {
        return state == State.PREPARING
                ? abort(refused.worker() + " cannot take part: " + refused.message())
                : List.of();
    }

    private List<Send> onFailed(Failed failed) {
        String worker = failed.worker();
        String suspect = failed.suspect();
        String told = worker + ": " + failed.reason() + (suspect == null ? "" : " (suspect: " + suspect + ")");
        String blamed = suspect != null && members.contains(suspect) ? suspect : null;
        return switch (state) {
            case PREPARING, BEGINNING, STREAMING, STAGED -> {
                // A worker whose engine is gone names it.
                boolean engineGone = members.isEngineOf(worker, suspect);
                if (engineGone && canDrop(worker)) {
                    yield drop(worker, failed.reason());
                }
                shrunk |= engineGone && members.outliveOwners();
                yield abort(new AbortReason(told, blamed));
            }
            case COMMITTING -> {
                answers.notLive(worker, failed.reason());
                yield proceed();
            }
            case ABORTING -> {
                if (reason != null) {
                    reason.failed(worker, told, blamed);
                }
                yield List.of();
            }
            case COMMITTED, ABORTED -> List.of();
        };
    }

    private List<Send> onConsumerLost(ConsumerLost told) {
        if (!isMoving() || members.isDropped(told.consumer())) {
            return List.of();
        }
        boolean lostToEachOther = members.lostTo(told.consumer()).contains(told.worker());
        if (members.isReplaceable(told.consumer()) || lostToEachOther) {
            // An owner is dropped only if the cluster has lost it, or its engine is gone.
            return List.of();
        }
        String why = "consumer " + told.consumer() + " was lost: " + told.reason();
        return canDrop(told.consumer())
                ? drop(told.consumer(), why + ", said " + told.worker())
                : onFailed(new Failed(told.worker(), epoch, why, told.consumer()));
    }

    /** Perhaps it lives, and only the way between the two is gone. Then it goes on without that consumer. */
    private List<Send> onOwnerLost(OwnerLost told) {
        if (!isMoving() || members.isDropped(told.owner()) || !members.isReplaceable(told.owner())) {
            return List.of();
        }
        members.miss(told.worker(), told.owner());
        return List.of(new Send(Order.DROP, new TreeSet<>(Set.of(told.owner())), told.worker()));
    }

    /** An owner that is lost while all prepare is not dropped: a plan without it is better. */
    private boolean canDrop(String worker) {
        return isBeforeCommit()
                && members.canSpare(worker)
                && !(state == State.PREPARING && members.isReplaceable(worker));
    }

    private List<Send> drop(String worker, String why) {
        members.drop(worker, why);
        answers.forget(worker);
        List<Send> sends = new ArrayList<>();
        sends.add(new Send(Order.DROP, members.active(), worker));
        // If it lives, it must know; it is not waited for.
        sends.add(new Send(Order.ABORT, new TreeSet<>(Set.of(worker)), null));
        sends.addAll(proceed());
        return sends;
    }

    private static List<Send> send(Order order, SortedSet<String> workers) {
        return workers.isEmpty() ? List.of() : List.of(new Send(order, workers, null));
    }

    /** Whether some receiver still lacks something. */
    private boolean isMoving() {
        return state.compareTo(State.STAGED) < 0;
    }

    private boolean isBeforeCommit() {
        return state.compareTo(State.COMMITTING) < 0;
    }

    /** Whether it was aborted by the loss of a member before any engine was touched: those that are left may do. */
    boolean isWorthAnother() {
        return state == State.ABORTED && untouched && shrunk;
    }

    State state() {
        return state;
    }

    long epoch() {
        return epoch;
    }

    /** Those that it began with. */
    SortedSet<String> members() {
        return members.all();
    }

    /** Those that it began with. */
    SortedSet<String> receivers() {
        return members.receivers();
    }

    /** Members that were not dropped. */
    SortedSet<String> active() {
        return members.active();
    }

    /** Receivers that were not dropped. */
    SortedSet<String> takers() {
        return members.takers();
    }

    /** Whether it can go on without some of its owners. */
    boolean outlivesOwners() {
        return members.outliveOwners();
    }

    /** Owners that were dropped or that some receiver misses, as long as something is to come from them. */
    SortedSet<String> lostOwners() {
        return isMoving() ? members.lostOwners() : new TreeSet<>();
    }

    /** Those of them that a worker takes nothing more from. */
    SortedSet<String> lostTo(String worker) {
        return members.lostTo(worker);
    }

    /** Why it was aborted; null while it was not. */
    @Nullable
    String reason() {
        return reason == null ? null : reason.text();
    }

    /** What all members agree on; null until they do. */
    @Nullable
    String planDigest() {
        return answers.planDigest();
    }

    long loadedBytes() {
        return answers.loadedBytes();
    }

    /** What was loaded and what of it was compared in the engines, together: it grows as long as anything moves. */
    long movedBytes() {
        return answers.movedBytes();
    }

    Collection<StageReport> reports() {
        return answers.reports();
    }

    Map<String, Committed> committed() {
        return answers.committed();
    }

    /** Answers to the abort, by worker. */
    Map<String, Aborted> aborted() {
        return answers.aborted();
    }

    /** Why a receiver did not become live although the update committed, by worker. */
    Map<String, String> failures() {
        return answers.failures();
    }
}
