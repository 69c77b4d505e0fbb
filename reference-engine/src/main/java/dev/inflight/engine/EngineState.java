package dev.inflight.engine;

import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.Standby;
import dev.inflight.protocol.link.WorkerMessage.Begin;
import dev.inflight.protocol.link.WorkerMessage.Commit;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Which message is allowed when: the life of an engine and the epochs that fence its updates. Touches neither memory nor
 * requests. For the link's thread.
 */
final class EngineState {
    enum State {
        /** No usable weights: a fresh start, or an in-place update was broken off. */
        PENDING_WEIGHTS,
        /** Serves a version; no update is running. */
        SERVING,
        /** Paused; buckets go into the live parameters. */
        LOADING_IN_PLACE,
        /** Paused; every bucket is there. */
        STAGED_IN_PLACE,
        /** Serves what it served before, if anything; buckets go into the second set. */
        LOADING_SHADOW,
        /** As {@link #LOADING_SHADOW}, and every bucket is there. */
        STAGED_SHADOW
    }

    /** A version and the digest of its manifest. */
    record Version(String name, String digest) {}

    private final String model;
    private final Set<LoadMode> modes;
    private State state = State.PENDING_WEIGHTS;
    private @Nullable Version serving;
    private @Nullable Standby standby;
    private @Nullable Begin update;
    private long highestEpoch = -1;

    EngineState(String model, Set<LoadMode> modes) {
        this.model = model;
        this.modes = Set.copyOf(modes);
    }

    State state() {
        return state;
    }

    /** The version whose weights are live and whole; null if there is none. */
    @Nullable
    Version serving() {
        return serving;
    }

    /** The version that the second set still holds whole; null if there is none. */
    @Nullable
    Standby standby() {
        return standby;
    }

    /** The running update; null if there is none. */
    @Nullable
    Begin update() {
        return update;
    }

    /** What the world outside calls this state. */
    EngineStatus.State label() {
        return switch (state) {
            case PENDING_WEIGHTS -> EngineStatus.State.PENDING_WEIGHTS;
            case SERVING -> EngineStatus.State.SERVING;
            case LOADING_IN_PLACE, STAGED_IN_PLACE -> EngineStatus.State.UPDATING;
            case LOADING_SHADOW, STAGED_SHADOW ->
                serving == null ? EngineStatus.State.UPDATING : EngineStatus.State.SERVING;
        };
    }

    /** Refuses a begin that {@link #begin} would not take. */
    void checkBegin(Begin begin) throws Refusal {
        if (!begin.model().equals(model)) {
            throw new Refusal("begin names model \"%s\"; this engine serves \"%s\"", begin.model(), model);
        }
        if (!modes.contains(begin.mode())) {
            throw new Refusal("this engine does not load %s", begin.mode().label());
        }
        if (update != null) {
            throw new Refusal("the update with epoch %d is still running; abort or commit it first", update.epoch());
        }
        if (begin.epoch() <= highestEpoch) {
            throw new Refusal(
                    "epoch %d is not above %d, the highest seen; a later update has begun",
                    begin.epoch(), highestEpoch);
        }
        if (begin.fromStandby()) {
            checkStandby(begin);
        }
    }

    private void checkStandby(Begin begin) throws Refusal {
        if (begin.mode() != LoadMode.SHADOW) {
            throw new Refusal(
                    "what stands by is taken in mode shadow, not %s",
                    begin.mode().label());
        }
        if (standby == null || !standby.digest().equals(begin.digest())) {
            throw new Refusal(
                    "version \"%s\" does not stand by here; %s",
                    begin.version(),
                    standby == null ? "nothing does" : "version \"%s\" does".formatted(standby.version()));
        }
        if (!begin.slots().isEmpty()) {
            throw new Refusal(
                    "from standby no bucket comes, but %d slots are listed",
                    begin.slots().size());
        }
    }

    void begin(Begin begin) throws Refusal {
        checkBegin(begin);
        highestEpoch = begin.epoch();
        update = begin;
        if (begin.mode() == LoadMode.IN_PLACE) {
            state = State.LOADING_IN_PLACE;
            serving = null;
        } else {
            state = State.LOADING_SHADOW;
            if (!begin.fromStandby()) {
                standby = null;
            }
        }
    }

    /** Refuses what {@link #checkLoading} does, and any load while what stands by is taken. */
    void checkLoad(long epoch) throws Refusal {
        checkLoading(epoch);
        if (update != null && update.fromStandby()) {
            throw new Refusal("the update with epoch %d takes what stands by; no bucket is expected", epoch);
        }
    }

    /** Refuses a load, or an end, that is not the running update's or comes after its end. */
    void checkLoading(long epoch) throws Refusal {
        fence(epoch);
        if (state != State.LOADING_IN_PLACE && state != State.LOADING_SHADOW) {
            throw new Refusal("the update with epoch %d has ended; it can only be committed or aborted", epoch);
        }
    }

    /** Every byte has arrived. */
    void end(long epoch) throws Refusal {
        checkLoading(epoch);
        state = state == State.LOADING_IN_PLACE ? State.STAGED_IN_PLACE : State.STAGED_SHADOW;
    }

    /** Refuses an epoch that is not the running update's, or whose update has not ended. */
    private Begin requireStaged(long epoch) throws Refusal {
        Begin running = fence(epoch);
        if (state != State.STAGED_IN_PLACE && state != State.STAGED_SHADOW) {
            throw new Refusal("the update with epoch %d has not ended; its weights are incomplete", epoch);
        }
        return running;
    }

    /**
     * Refuses a dump of live weights while there are none or an update is running, and one of staged weights unless they
     * are complete.
     *
     * @param epoch the update whose staged weights are meant; null for live ones
     */
    void checkDump(@Nullable Long epoch) throws Refusal {
        if (epoch != null) {
            requireStaged(epoch);
        } else if (state != State.SERVING) {
            throw new Refusal("a dump needs an engine that serves and no running update");
        }
    }

    /** Refuses a commit that {@link #commit} would not take. */
    void checkCommit(Commit commit) throws Refusal {
        Begin running = requireStaged(commit.epoch());
        if (!commit.version().equals(running.version())) {
            throw new Refusal(
                    "commit names version \"%s\"; the update with epoch %d began with \"%s\"",
                    commit.version(), commit.epoch(), running.version());
        }
    }

    void commit(Commit commit) throws Refusal {
        checkCommit(commit);
        Begin done = Objects.requireNonNull(update);
        if (done.mode() == LoadMode.SHADOW) {
            standby = serving == null ? null : new Standby(serving.name(), serving.digest());
        }
        serving = new Version(done.version(), done.digest());
        update = null;
        state = State.SERVING;
    }

    /**
     * Drops the update of that epoch; of any other, changes nothing.
     *
     * @return the update that was dropped; null if none was
     */
    @Nullable
    Begin abort(long epoch) {
        Begin running = update;
        return running != null && running.epoch() == epoch ? drop() : null;
    }

    /** The link broke: nobody is left to finish the running update. Returns what was dropped, as {@link #abort}. */
    @Nullable
    Begin linkLost() {
        return update == null ? null : drop();
    }

    private @Nullable Begin drop() {
        Begin dropped = update;
        update = null;
        state = serving == null ? State.PENDING_WEIGHTS : State.SERVING;
        return dropped;
    }

    private Begin fence(long epoch) throws Refusal {
        Begin running = update;
        if (running == null) {
            throw new Refusal("epoch %d: no update is running", epoch);
        }
        if (running.epoch() != epoch) {
            throw new Refusal("epoch %d: the running update has epoch %d", epoch, running.epoch());
        }
        return running;
    }
}
