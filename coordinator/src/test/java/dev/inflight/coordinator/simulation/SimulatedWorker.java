package dev.inflight.coordinator.simulation;

import akka.actor.testkit.typed.javadsl.TestInbox;
import akka.actor.typed.ActorRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerCommand.Prepare;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.Session;
import dev.inflight.protocol.cluster.WorkerEvent.Session.Phase;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.cluster.WorkerEvent.WorkerState;
import dev.inflight.protocol.plan.Membership;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A GPU worker that follows the rules of the real one, with steps that take simulated time and may fail. */
final class SimulatedWorker {
    private static final long ORPHAN_TIMEOUT = 8_000;
    private static final long REPAIR_PATIENCE = 10_000;
    private static final long BYTES = 4096;

    /** Its life in an update; what comes later stands further down. */
    private enum Step {
        PREPARING,
        PREPARED,
        BEGINNING,
        BEGUN,
        STREAMING,
        STAGED,
        COMMITTING,
        COMMITTED,
        ABORTING,
        ABORTED
    }

    /** One update on this worker. */
    private static final class Update {
        final Prepare order;
        final @Nullable String from;
        final boolean receives;
        final List<ActorRef<WorkerEvent>> awaitingAbort = new ArrayList<>();
        Step step = Step.PREPARING;
        boolean givenUp;
        boolean begunOnEngine;
        int loaded;
        final Set<String> lostOwners = new HashSet<>();
        Set<String> repaired = Set.of();
        long lackingSince = -1;

        Update(Prepare order, @Nullable String from, boolean receives) {
            this.order = order;
            this.from = from;
            this.receives = receives;
        }

        long epoch() {
            return order.epoch();
        }

        boolean isOver() {
            return step == Step.COMMITTED || step == Step.ABORTED;
        }

        boolean canAbort() {
            return step.compareTo(Step.COMMITTING) < 0;
        }
    }

    final String id;
    final String host;
    final SimulatedEngine engine;
    private final World world;
    private final Fleetwide fleet;
    private TestInbox<WorkerCommand> inbox;
    private boolean up = true;
    private boolean attached = true;
    private EngineStatus.State engineState = EngineStatus.State.SERVING;
    private @Nullable String engineTarget;
    private @Nullable Update current;
    private long highestEpoch;
    private long incarnation;
    private long orphaned;

    /** What a worker needs of everybody else. */
    interface Fleetwide {
        /** Whether the process of a worker runs and can be reached from this host. */
        boolean reaches(String fromHost, String worker);

        /** Tells the coordinator of this worker's state, if there is a coordinator. */
        void report(SimulatedWorker worker);

        /** Sends an answer to a session of the coordinator. */
        void answer(SimulatedWorker worker, ActorRef<WorkerEvent> to, WorkerEvent event);

        /** A worker has everything it needs to commit. */
        void staged(SimulatedWorker worker, long epoch);

        /** The probability with which a step fails for a reason of its own. */
        double failure();
    }

    SimulatedWorker(World world, Fleetwide fleet, String host, SimulatedEngine engine) {
        this.world = world;
        this.fleet = fleet;
        this.host = host;
        this.id = host + "/0";
        this.engine = engine;
        this.inbox = world.inbox(id.replace('/', '-'));
    }

    TestInbox<WorkerCommand> inbox() {
        return inbox;
    }

    boolean isUp() {
        return up;
    }

    /** Whether nothing of an update is left on it. */
    boolean isIdle() {
        var update = current;
        return up && attached && (update == null || (update.isOver() && !update.givenUp));
    }

    String describe() {
        var update = current;
        return id + " " + (up ? "up" : "down") + ", engine " + (attached ? engineState : "detached") + " "
                + engine.version() + ", " + (update == null ? "idle" : "epoch " + update.epoch() + " " + update.step);
    }

    void kill() {
        up = false;
        incarnation++;
        var update = current;
        current = null;
        attached = false;
        if (update != null && update.begunOnEngine && !update.isOver()) {
            engine.abort();
        }
    }

    /** Another process under the same name. */
    void restart() {
        up = true;
        inbox = world.inbox(id.replace('/', '-'));
        highestEpoch = 0;
        orphaned = 0;
        attachSoon();
    }

    void killEngine() {
        engine.kill();
        if (!attached || !up) {
            return;
        }
        attached = false;
        var update = current;
        if (update != null && update.receives && !update.isOver()) {
            if (update.step == Step.PREPARED || update.step == Step.BEGUN || update.step == Step.STAGED) {
                stepFailed(update, "engine " + engine.id + " was lost", engine.id);
            } else {
                later(update, () -> stepFailed(update, "engine " + engine.id + " was lost", engine.id));
            }
        }
        fleet.report(this);
    }

    void restartEngine() {
        engine.restart();
        attachSoon();
    }

    private void attachSoon() {
        long life = incarnation;
        world.in(world.between(50, 400), () -> {
            if (up && life == incarnation && engine.isAlive() && !attached) {
                attached = true;
                engineState =
                        engine.version() == null ? EngineStatus.State.PENDING_WEIGHTS : EngineStatus.State.SERVING;
                engineTarget = null;
                fleet.report(this);
            }
        });
    }

    /** A coordinator subscribes. */
    void subscribed() {
        orphaned++;
        fleet.report(this);
    }

    /** The coordinator it reported to is gone. */
    void coordinatorGone() {
        long since = ++orphaned;
        long life = incarnation;
        world.in(ORPHAN_TIMEOUT, () -> {
            var update = current;
            if (up && life == incarnation && since == orphaned && update != null && update.canAbort()) {
                giveUp(update, "no coordinator came back");
            }
        });
    }

    void on(WorkerCommand command) {
        if (!up) {
            return;
        }
        switch (command) {
            case WorkerCommand.Subscribe subscribe -> {}
            case Prepare prepare -> onPrepare(prepare);
            case WorkerCommand.Begin begin -> onBegin(begin.epoch());
            case WorkerCommand.Stream stream -> onStream(stream.epoch());
            case WorkerCommand.Drop drop -> {}
            case WorkerCommand.Repair repair -> onRepair(repair);
            case WorkerCommand.HoldOn told -> {}
            case WorkerCommand.Commit commit -> onCommit(commit.epoch());
            case WorkerCommand.Abort abort -> onAbort(abort);
            case WorkerCommand.Verify verify -> {}
        }
    }

    private void onPrepare(Prepare order) {
        boolean receives = order.membership().workers().stream()
                .anyMatch(worker -> worker.id().equals(id) && worker.receives());
        String refusal = null;
        if (order.epoch() <= highestEpoch) {
            refusal = "epoch " + order.epoch() + " is over";
        } else if (current != null && !current.isOver()) {
            refusal = "epoch " + current.epoch() + " has not ended";
        } else if (receives && !attached) {
            refusal = "no engine is attached";
        }
        if (refusal != null) {
            fleet.answer(this, order.replyTo(), new WorkerEvent.PrepareRefused(id, order.epoch(), refusal));
            return;
        }
        highestEpoch = order.epoch();
        var update = new Update(order, receives ? engine.version() : null, receives);
        current = update;
        step(update, Step.PREPARING, world.between(1, 60), () -> {
            update.step = Step.PREPARED;
            tell(
                    update,
                    new WorkerEvent.Prepared(
                            id, update.epoch(), "plan of " + order.checkpoint().digest()));
            fleet.report(this);
        });
        fleet.report(this);
    }

    private void onBegin(long epoch) {
        var update = at(Step.PREPARED, epoch);
        if (update == null) {
            return;
        }
        update.step = Step.BEGINNING;
        if (update.receives) {
            engineState = EngineStatus.State.UPDATING;
            engineTarget = update.order.checkpoint().version();
        }
        step(update, Step.BEGINNING, world.between(1, 60), () -> {
            if (update.receives) {
                engine.begin(epoch, update.order.checkpoint().version(), update.order.mode());
                update.begunOnEngine = true;
            }
            update.step = Step.BEGUN;
            tell(update, new WorkerEvent.Begun(id, epoch));
        });
        fleet.report(this);
    }

    private void onStream(long epoch) {
        var update = at(Step.BEGUN, epoch);
        if (update == null) {
            return;
        }
        update.step = Step.STREAMING;
        fleet.report(this);
        if (update.receives) {
            loadNext(update);
        } else {
            staged(update);
        }
    }

    private void loadNext(Update update) {
        step(update, Step.STREAMING, world.between(1, 120), () -> {
            var gone = missingSource(update);
            if (gone != null) {
                // Silence is noticed late.
                later(update, world.between(10, 900), () -> lacks(update, gone));
                return;
            }
            update.lackingSince = -1;
            engine.load(update.loaded++);
            tell(update, new WorkerEvent.Progress(id, update.epoch(), update.loaded * BYTES));
            if (update.loaded == SimulatedEngine.PARTS) {
                staged(update);
            } else {
                loadNext(update);
            }
        });
    }

    private @Nullable String missingSource(Update update) {
        var membership = update.order.membership();
        for (Membership.Worker member : membership.workers()) {
            boolean owns = !membership.hosts().get(member.host()).shards().isEmpty();
            if (owns && !update.repaired.contains(member.id()) && !fleet.reaches(host, member.id())) {
                return member.id();
            }
        }
        return null;
    }

    /** Waits for a repair if there may be one, and fails if not. */
    private void lacks(Update update, String owner) {
        if (update.step != Step.STREAMING) {
            return;
        }
        update.lackingSince = update.lackingSince < 0 ? world.now() : update.lackingSince;
        if (!update.order.repairs() || world.now() - update.lackingSince > REPAIR_PATIENCE) {
            stepFailed(update, "owner " + owner + " is silent", owner);
            return;
        }
        if (update.lostOwners.add(owner)) {
            tell(update, new WorkerEvent.OwnerLost(id, update.epoch(), owner, "is silent"));
        }
        loadNext(update);
    }

    private void onRepair(WorkerCommand.Repair repair) {
        if (current != null && current.epoch() == repair.epoch()) {
            current.repaired = repair.hosts().isEmpty() ? Set.of() : Set.copyOf(repair.owners());
        }
    }

    private void staged(Update update) {
        update.step = Step.STAGED;
        fleet.staged(this, update.epoch());
        tell(
                update,
                new WorkerEvent.Staged(id, update.epoch(), new StageReport(1, 1, 1, 1, 1, update.loaded * BYTES, 0)));
        fleet.report(this);
    }

    private void onCommit(long epoch) {
        var staged = at(Step.STAGED, epoch);
        if (staged != null) {
            staged.step = Step.COMMITTING;
            step(staged, Step.COMMITTING, world.between(1, 60), () -> {
                if (staged.receives) {
                    engine.commit();
                    engineState = EngineStatus.State.SERVING;
                    engineTarget = null;
                }
                staged.step = Step.COMMITTED;
                world.tell("%s committed epoch %d", id, epoch);
                tell(staged, new WorkerEvent.Committed(id, epoch, 1));
                fleet.report(this);
            });
            fleet.report(this);
        } else if (current != null && current.epoch() == epoch && current.step == Step.COMMITTED) {
            tell(current, new WorkerEvent.Committed(id, epoch, 1));
        } else if (current != null && current.epoch() == epoch && current.canAbort()) {
            abort(current);
        } else {
            settled(epoch);
        }
    }

    private void onAbort(WorkerCommand.Abort abort) {
        highestEpoch = Math.max(highestEpoch, abort.epoch());
        var update = current;
        if (update == null || update.epoch() != abort.epoch() || update.isOver()) {
            settled(abort.epoch());
            fleet.answer(this, abort.replyTo(), new WorkerEvent.Aborted(id, abort.epoch(), engineStatus()));
            return;
        }
        if (!update.awaitingAbort.contains(abort.replyTo())) {
            update.awaitingAbort.add(abort.replyTo());
        }
        if (update.canAbort()) {
            abort(update);
        }
    }

    private void settled(long epoch) {
        if (current != null && current.epoch() == epoch && current.givenUp && current.isOver()) {
            current.givenUp = false;
            fleet.report(this);
        }
    }

    private void giveUp(Update update, String reason) {
        world.tell("%s gives up epoch %d: %s", id, update.epoch(), reason);
        update.givenUp = true;
        abort(update);
    }

    private void abort(Update update) {
        update.step = Step.ABORTING;
        later(update, world.between(1, 60), () -> {
            update.step = Step.ABORTED;
            if (update.receives && attached) {
                if (update.begunOnEngine) {
                    engine.abort();
                }
                engineTarget = null;
                engineState =
                        engine.version() == null ? EngineStatus.State.PENDING_WEIGHTS : EngineStatus.State.SERVING;
            }
            over(update);
        });
    }

    private void over(Update update) {
        if (!update.awaitingAbort.isEmpty()) {
            update.givenUp = false;
        }
        fleet.report(this);
        for (var waiting : update.awaitingAbort) {
            fleet.answer(this, waiting, new WorkerEvent.Aborted(id, update.epoch(), engineStatus()));
        }
        update.awaitingAbort.clear();
    }

    private void stepFailed(Update update, String reason, @Nullable String suspect) {
        if (update.isOver()) {
            return;
        }
        world.tell("%s fails in %s of epoch %d: %s", id, update.step, update.epoch(), reason);
        if (update.step == Step.COMMITTING) {
            update.step = Step.ABORTED;
            if (attached) {
                attached = false;
                engine.abort();
                attachSoon();
            }
            tell(update, new WorkerEvent.Failed(id, update.epoch(), reason, suspect));
            over(update);
        } else if (update.step != Step.ABORTING) {
            tell(
                    update,
                    update.step == Step.PREPARING
                            ? new WorkerEvent.PrepareRefused(id, update.epoch(), reason)
                            : new WorkerEvent.Failed(id, update.epoch(), reason, suspect));
            giveUp(update, reason);
        }
    }

    /** Runs what ends a step when its time is over, unless something else has come of the update by then. */
    private void step(Update update, Step during, long millis, Runnable end) {
        boolean fails = world.happens(fleet.failure());
        later(update, millis, () -> {
            if (update.step != during || (update.receives && !attached)) {
                return;
            }
            if (fails) {
                stepFailed(update, "a device error", null);
            } else {
                end.run();
            }
        });
    }

    private void later(Update update, Runnable what) {
        later(update, world.between(0, 20), what);
    }

    private void later(Update update, long millis, Runnable what) {
        long life = incarnation;
        world.in(millis, () -> {
            if (up && life == incarnation && current == update) {
                what.run();
            }
        });
    }

    private void tell(Update update, WorkerEvent event) {
        fleet.answer(this, update.order.replyTo(), event);
    }

    private @Nullable Update at(Step step, long epoch) {
        return current != null && current.epoch() == epoch && current.step == step ? current : null;
    }

    private @Nullable EngineStatus engineStatus() {
        if (!attached) {
            return null;
        }
        String version =
                engineState == EngineStatus.State.UPDATING ? Objects.requireNonNull(current).from : engine.version();
        return new EngineStatus(
                engine.id,
                Simulation.MODEL,
                engine.pid(),
                List.of(LoadMode.IN_PLACE, LoadMode.SHADOW),
                false,
                engineState,
                version,
                engineTarget,
                null);
    }

    WorkerState state() {
        return new WorkerState(id, host, "host", 64 << 20, null, highestEpoch, view(), engineStatus());
    }

    private @Nullable Session view() {
        var update = current;
        if (update == null) {
            return null;
        }
        Phase phase = switch (update.step) {
            case PREPARING, PREPARED -> Phase.PREPARED;
            case BEGINNING, BEGUN -> Phase.BEGUN;
            case STREAMING -> Phase.STREAMING;
            case STAGED -> Phase.STAGED;
            case COMMITTING -> Phase.COMMITTING;
            case COMMITTED -> Phase.COMMITTED;
            case ABORTING, ABORTED -> update.givenUp ? Phase.GIVEN_UP : null;
        };
        int members = update.order.membership().workers().size();
        return phase == null ? null : new Session(update.epoch(), update.order.updateId(), members, phase, update.from);
    }
}
