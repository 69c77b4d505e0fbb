package dev.inflight.coordinator.canary;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.javadsl.TimerScheduler;
import dev.inflight.coordinator.canary.CanaryCourse.Step;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.ledger.LedgerEntry.CanaryPhase;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.coordinator.session.SessionEvent;
import dev.inflight.protocol.cluster.EngineSelection;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.Origin;
import dev.inflight.protocol.cluster.TrainerCommand;
import dev.inflight.protocol.cluster.TrainerCommand.DecideCanary;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * One canary from acceptance to its end. It moves engines as a trainer would, by updates and rollbacks of the coordinator,
 * and asks how they go. What to do is decided by {@link CanaryCourse}; this actor asks, checks and waits.
 */
public final class CanarySession extends AbstractBehavior<CanarySession.Command> {
    /** What the session hears. */
    public sealed interface Command {}

    /** The coordinator's view of the fleet changed. */
    public record FleetChanged(Fleet fleet) implements Command {}

    /**
     * The ledger has what was to be written.
     *
     * @param number as {@link SessionEvent.CanaryMoves} named it
     * @param durable whether a majority has it
     */
    public record Kept(int number, boolean durable) implements Command {}

    /** Somebody decides; answered here, when that is certain to be remembered. */
    public record Decided(DecideCanary decision) implements Command {}

    /** Nobody sends it decisions any more. */
    public record Close() implements Command {}

    private record Answered(OperationReply reply) implements Command {}

    private record AskAgain(CanaryCourse.Ask ask) implements Command {}

    private record LookAt(String operation) implements Command {}

    private record Checked(CheckResult result) implements Command {}

    private enum Tick implements Command {
        INSTANCE
    }

    /** How often it looks at its update, its engines and the clock. */
    private static final Duration LOOK = Duration.ofMillis(100);

    /** After this a step that was refused is asked for again. */
    private static final Duration RETRY = Duration.ofMillis(500);

    /** An answer that does not come in this time was lost: the same is asked again, which does nothing twice. */
    private static final Duration ANSWER = Duration.ofSeconds(10);

    private final TimerScheduler<Command> timers;
    private final CanaryStart start;
    private final CanaryCourse course;
    private final ActorRef<OperationReply> answers;
    private final Set<String> over = new HashSet<>();
    private final DecisionAnswers decisions = new DecisionAnswers();
    private Step step = Step.UPDATE;
    private @Nullable Operation reported;

    private CanarySession(
            ActorContext<Command> context,
            TimerScheduler<Command> timers,
            CanaryStart start,
            CanaryPlan plan,
            Instant begun) {
        super(context);
        this.timers = timers;
        this.start = start;
        this.course = new CanaryCourse(start, plan, begun);
        this.answers = context.messageAdapter(OperationReply.class, Answered::new);
    }

    /**
     * @param begun when the canary was accepted
     * @throws CanaryException if what was asked for makes no sense, or is not allowed any more
     */
    public static Behavior<Command> create(CanaryStart start, Instant begun) {
        CanaryPlan plan = CanaryPlan.of(start.state().canary(), start.settings());
        return Behaviors.setup(context ->
                Behaviors.withTimers(timers -> new CanarySession(context, timers, start, plan, begun).begin()));
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(FleetChanged.class, changed -> carryOut(course.onFleet(changed.fleet(), now())))
                .onMessage(Kept.class, this::onKept)
                .onMessage(Decided.class, this::onDecided)
                .onMessage(Answered.class, this::onAnswered)
                .onMessage(AskAgain.class, again -> ask(again.ask()))
                .onMessage(LookAt.class, this::onLookAt)
                .onMessage(Checked.class, checked -> carryOut(course.onChecked(checked.result(), now())))
                .onMessage(Tick.class, tick -> carryOut(course.onTick(now())))
                .build();
    }

    private Behavior<Command> begin() {
        timers.startTimerWithFixedDelay(Tick.INSTANCE, LOOK);
        report();
        return carryOut(course.begin(now()));
    }

    private Behavior<Command> onKept(Kept kept) {
        decisions.kept(kept.number(), kept.durable(), operation());
        return carryOut(course.onKept(kept.number(), now()));
    }

    private Behavior<Command> onDecided(Decided decided) {
        DecideCanary decision = decided.decision();
        String objection = course.objection(decision.decision());
        if (objection != null) {
            decision.replyTo()
                    .tell(new Refused(
                            Refused.Code.CONFLICT,
                            "canary " + start.id() + " can not be "
                                    + decision.decision().name().toLowerCase(Locale.ROOT) + "d: " + objection));
            return this;
        }
        String by = Objects.requireNonNullElse(decision.detectedBy(), "operator");
        String who = decision.origin().requester();
        String reason =
                Objects.requireNonNullElse(decision.reason(), "it was asked for" + (who == null ? "" : " by " + who));
        Behavior<Command> next = carryOut(course.decide(decision.decision(), by, reason, now()));
        if (decisions.isInDoubt()) {
            carryOut(course.again());
        }
        decisions.await(decision.replyTo(), operation());
        return next;
    }

    private Behavior<Command> onAnswered(Answered answered) {
        if (answered.reply() instanceof Operation operation && over.contains(operation.id())) {
            return this;
        }
        timers.cancel(Step.class);
        return switch (answered.reply()) {
            case Operation operation -> {
                if (operation.state() == OperationReply.State.RUNNING) {
                    timers.startSingleTimer(LookAt.class, new LookAt(operation.id()), LOOK);
                    yield this;
                }
                over.add(operation.id());
                yield carryOut(course.onEnded(step, operation, now()));
            }
            case Refused refused -> carryOut(course.onRefused(step, refused, now()));
        };
    }

    private Behavior<Command> onLookAt(LookAt look) {
        tell(new TrainerCommand.GetOperation(look.operation(), answers));
        return this;
    }

    private Behavior<Command> carryOut(List<CanaryCourse.Action> actions) {
        Behavior<Command> next = this;
        for (CanaryCourse.Action action : actions) {
            switch (action) {
                case CanaryCourse.Write write -> {
                    decisions.written(write.number());
                    start.parent().tell(new SessionEvent.CanaryMoves(write.state(), write.number()));
                }
                case CanaryCourse.Ask ask -> {
                    if (ask.later()) {
                        timers.startSingleTimer(AskAgain.class, new AskAgain(ask), RETRY);
                    } else {
                        ask(ask);
                    }
                }
                case CanaryCourse.Check check -> check(check.check());
                case CanaryCourse.End end -> {
                    end(end.result());
                    decisions.ended(start.id());
                    timers.cancelAll();
                    next = ended();
                }
            }
        }
        if (next == this) {
            report();
        }
        return next;
    }

    /** Decisions that crossed its end are still answered. */
    private Behavior<Command> ended() {
        return Behaviors.receiveMessage(message -> {
            if (message instanceof Decided late) {
                late.decision().replyTo().tell(DecisionAnswers.tooLate(start.id()));
            }
            return message instanceof Close ? Behaviors.stopped() : Behaviors.same();
        });
    }

    private Behavior<Command> ask(CanaryCourse.Ask ask) {
        if (!course.wants(ask)) {
            return this;
        }
        step = ask.step();
        String key = start.id() + "/" + step.name().toLowerCase(Locale.ROOT) + "-" + ask.attempt();
        Origin origin = new Origin(start.requester(), key);
        String group = course.group(step);
        tell(
                step == Step.REVERT
                        ? new TrainerCommand.Rollback(
                                start.model(), course.state().from(), start.mode(), group, origin, answers)
                        : new TrainerCommand.UpdateWeights(
                                start.model(),
                                start.version(),
                                start.mode(),
                                start.strategy(),
                                group,
                                origin,
                                answers));
        timers.startSingleTimer(Step.class, new AskAgain(ask), ANSWER);
        return this;
    }

    private void tell(TrainerCommand command) {
        start.parent().tell(new SessionEvent.CanaryAsks(start.id(), command));
    }

    private void check(CanaryCheck check) {
        course.checking(now());
        getContext()
                .pipeToSelf(
                        start.probe().apply(check),
                        (result, failure) -> new Checked(
                                failure == null ? result : CheckResult.failed("the check failed: " + failure)));
    }

    private void end(CanaryResult result) {
        boolean promoted = result.outcome() == CanaryResult.Outcome.PROMOTED;
        Operation operation = new Operation(
                start.id(),
                "canary",
                promoted ? OperationReply.State.SUCCEEDED : OperationReply.State.FAILED,
                result.outcome().label(),
                0,
                0,
                promoted ? null : result.reason(),
                Json.write(result));
        start.parent()
                .tell(
                        promoted
                                ? new SessionEvent.CanaryEnded(
                                        operation,
                                        start.version(),
                                        start.group(),
                                        course.state().from())
                                : new SessionEvent.CanaryEnded(
                                        operation,
                                        course.state().from(),
                                        EngineSelection.ofIds(course.state().workers()),
                                        course.state().from()));
    }

    private void report() {
        Operation operation = operation();
        if (!operation.equals(reported)) {
            reported = operation;
            start.parent().tell(new SessionEvent.Running(operation));
        }
    }

    private Operation operation() {
        CanaryPhase phase = course.state().phase();
        return new Operation(start.id(), "canary", OperationReply.State.RUNNING, phase.label(), 0, 0, null, null);
    }

    private Instant now() {
        return start.wallClock().instant();
    }
}
