package dev.inflight.coordinator.update;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.javadsl.TimerScheduler;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.ledger.LedgerWriter;
import dev.inflight.coordinator.session.SessionEvent;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.cluster.HostStoreEvent.LoadFailed;
import dev.inflight.protocol.cluster.HostStoreEvent.LoadProgress;
import dev.inflight.protocol.cluster.HostStoreEvent.Loaded;
import dev.inflight.protocol.cluster.WorkerEvent;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One update from acceptance to its end: restores lost shards, runs an {@link UpdateAttempt}, and after an abort runs
 * restoring ones for the engines it left without weights. What to do is decided by {@link UpdateCourse}; this actor
 * sends, waits and keeps the deadlines, of which every state has one.
 */
public final class UpdateSession extends AbstractBehavior<UpdateSession.Command> {
    /** What the session hears. */
    public sealed interface Command {}

    /** The coordinator's view of the fleet changed. */
    public record FleetChanged(Fleet fleet) implements Command {}

    /** What the update is for has changed: it ends unless it has passed its commit point. */
    public record Cancel(String reason) implements Command {}

    private record FromWorker(WorkerEvent event) implements Command {}

    private record FromHost(HostStoreEvent event) implements Command {}

    private record Confirmed(LedgerWriter.Confirmed confirmed) implements Command {}

    private record Deadline(Duration waited) implements Command {}

    private enum Tick implements Command {
        RESEND,
        REPORT,
        /** All members were told some time ago that one of them is held up. */
        TOLD_HELD_UP
    }

    private static final String STATE_TIMER = "state";
    private static final String IDLE_TIMER = "idle";

    /** However many members are held up, all are told of it no more often than this. */
    private static final Duration BETWEEN_HELD_UP = Duration.ofMillis(500);

    private final TimerScheduler<Command> timers;
    private final UpdateStart start;
    private final UpdateCourse course;
    private final UpdateLog log;
    private final Consumer<LedgerWriter.Confirm> ledger;
    private final ActorRef<LedgerWriter.Confirmed> confirmations;
    private final ActorRef<WorkerEvent> workerEvents;
    private final ActorRef<HostStoreEvent> hostEvents;
    private Object timedState = "";
    private SessionEvent.@Nullable Running reported;

    private UpdateSession(
            ActorContext<Command> context,
            TimerScheduler<Command> timers,
            UpdateStart start,
            Consumer<LedgerWriter.Confirm> ledger) {
        super(context);
        this.ledger = ledger;
        this.confirmations = context.messageAdapter(LedgerWriter.Confirmed.class, Confirmed::new);
        this.timers = timers;
        this.start = start;
        this.course = new UpdateCourse(start);
        this.log = new UpdateLog(context.getLog(), start);
        this.workerEvents = context.messageAdapter(WorkerEvent.class, FromWorker::new);
        this.hostEvents = context.messageAdapter(HostStoreEvent.class, FromHost::new);
    }

    /** @param ledger is asked before each commit whether this coordinator still decides */
    public static Behavior<Command> create(UpdateStart start, Consumer<LedgerWriter.Confirm> ledger) {
        return Behaviors.setup(context -> Behaviors.withTimers(timers -> {
            UpdateSession session = new UpdateSession(context, timers, start, ledger);
            return session.begin();
        }));
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(FleetChanged.class, changed -> carryOut(course.onFleet(changed.fleet())))
                .onMessage(Cancel.class, cancel -> carryOut(course.onCancel(cancel.reason())))
                .onMessage(FromWorker.class, this::onWorker)
                .onMessage(FromHost.class, this::onHost)
                .onMessage(
                        Confirmed.class,
                        confirmed -> carryOut(
                                course.onConfirmed(confirmed.confirmed().epoch())))
                .onMessage(Deadline.class, deadline -> carryOut(course.onDeadline(describe(deadline.waited()))))
                .onMessage(Tick.class, this::onTick)
                .build();
    }

    private Behavior<Command> begin() {
        log.began();
        timers.startTimerWithFixedDelay(Tick.REPORT, start.settings().progressInterval());
        timers.startTimerWithFixedDelay(Tick.RESEND, start.settings().resendInterval());
        return carryOut(course.begin());
    }

    private Behavior<Command> onWorker(FromWorker from) {
        if (from.event() instanceof WorkerEvent.HeldUp told) {
            return onHeldUp(told);
        }
        long before = course.movedBytes();
        List<UpdateCourse.Action> actions = course.onWorker(from.event());
        if (course.movedBytes() > before) {
            restartIdleTimer();
        }
        return carryOut(actions);
    }

    /** A member that has its turn later than others holds all of them up, which they do not see. */
    private Behavior<Command> onHeldUp(WorkerEvent.HeldUp told) {
        if (told.epoch() == course.epoch()) {
            restartIdleTimer();
        }
        List<UpdateCourse.Action> actions = timers.isTimerActive(Tick.TOLD_HELD_UP) ? List.of() : course.onWorker(told);
        if (!actions.isEmpty()) {
            timers.startSingleTimer(Tick.TOLD_HELD_UP, BETWEEN_HELD_UP);
        }
        return carryOut(actions);
    }

    private Behavior<Command> onHost(FromHost from) {
        return switch (from.event()) {
            case LoadProgress progress -> {
                restartIdleTimer();
                yield this;
            }
            case Loaded loaded -> carryOut(course.onRestored(loaded.publishId(), null, loaded.bytes()));
            case LoadFailed failed -> carryOut(course.onRestored(failed.publishId(), failed.message(), 0));
            default -> this;
        };
    }

    private Behavior<Command> onTick(Tick tick) {
        switch (tick) {
            case RESEND -> {
                return carryOut(course.resend());
            }
            case REPORT -> report();
            case TOLD_HELD_UP -> {}
        }
        return this;
    }

    private Behavior<Command> carryOut(List<UpdateCourse.Action> actions) {
        for (UpdateCourse.Action action : actions) {
            switch (action) {
                case UpdateCourse.ToWorkers to -> send(to);
                case UpdateCourse.Repairing repairing -> repairing.round().repair(repairing.hosts());
                case UpdateCourse.ToHost to ->
                    to.host()
                            .ref()
                            .tell(new HostStoreCommand.Restore(
                                    to.restoreId(), to.checkpoint(), to.shards().ranges(), hostEvents));
                case UpdateCourse.End end -> {
                    log.ended(course.epoch(), end.event());
                    start.parent().tell(end.event());
                    return Behaviors.stopped();
                }
            }
        }
        if (!course.timedState().equals(timedState)) {
            timedState = course.timedState();
            log.step(course.epoch(), course.operation().phase());
            report();
            restartTimers();
        }
        return this;
    }

    private void send(UpdateCourse.ToWorkers to) {
        if (to.send().order() == Send.Order.CONFIRM) {
            ledger.accept(new LedgerWriter.Confirm(to.round().attempt().epoch(), confirmations));
        } else {
            to.round().send(to.send(), start.id(), start.settings(), workerEvents);
        }
    }

    private void restartTimers() {
        Duration limit = course.limit();
        timers.startSingleTimer(STATE_TIMER, new Deadline(limit), limit);
        timers.cancel(IDLE_TIMER);
        restartIdleTimer();
    }

    private void restartIdleTimer() {
        if (course.limitedByIdleness()) {
            // Workers notice a stall themselves, and know more about it: they get the first word.
            Duration idle = start.settings().stallTimeout().multipliedBy(2);
            timers.startSingleTimer(IDLE_TIMER, new Deadline(idle), idle);
        }
    }

    private void report() {
        SessionEvent.Running running = new SessionEvent.Running(course.operation());
        if (!running.equals(reported)) {
            reported = running;
            start.parent().tell(running);
        }
    }

    private static String describe(Duration waited) {
        return waited.toMillis() + " ms";
    }
}
