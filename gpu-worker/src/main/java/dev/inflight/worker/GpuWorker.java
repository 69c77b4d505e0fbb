package dev.inflight.worker;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.PostStop;
import akka.actor.typed.Terminated;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.javadsl.TimerScheduler;
import akka.actor.typed.receptionist.Receptionist;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.link.EngineMessage.Hello;
import dev.inflight.worker.CurrentUpdate.Step;
import dev.inflight.worker.GpuWorkerMessage.AbortDone;
import dev.inflight.worker.GpuWorkerMessage.Asked;
import dev.inflight.worker.GpuWorkerMessage.BeginDone;
import dev.inflight.worker.GpuWorkerMessage.BudgetMeasured;
import dev.inflight.worker.GpuWorkerMessage.CommitDone;
import dev.inflight.worker.GpuWorkerMessage.EngineAttached;
import dev.inflight.worker.GpuWorkerMessage.EngineDetached;
import dev.inflight.worker.GpuWorkerMessage.Orphaned;
import dev.inflight.worker.GpuWorkerMessage.PrepareDone;
import dev.inflight.worker.GpuWorkerMessage.StepFailed;
import dev.inflight.worker.GpuWorkerMessage.StreamDone;
import dev.inflight.worker.link.EngineLink;
import dev.inflight.worker.link.EngineSession;
import dev.inflight.worker.link.EngineUsers;
import dev.inflight.worker.metrics.WorkerMetrics;
import dev.inflight.worker.update.UpdateContext;
import dev.inflight.worker.update.UpdateSession;
import dev.inflight.worker.update.UpdateSession.AbortOutcome;
import dev.inflight.worker.verify.EngineVerifier;
import dev.inflight.worker.verify.StagedVerifier;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One GPU and the engine on it. Takes part in one update at a time; the update's steps run on threads of their own and
 * come back as messages. Commands of an epoch older than the newest seen change nothing.
 */
final class GpuWorker extends AbstractBehavior<GpuWorkerMessage> {
    private final UpdateContext update;
    private final WorkerMetrics metrics;
    private final String host;
    private final EngineLabels labels;
    private final Duration orphanTimeout;
    private final ActorRef<GpuWorkerMessage> self;
    private final TimerScheduler<GpuWorkerMessage> timers;
    private final EngineLink link;
    private final UpdateSteps steps;
    private final Set<ActorRef<WorkerEvent>> subscribers = new HashSet<>();
    private @Nullable AttachedEngine engine;
    private @Nullable CurrentUpdate current;
    private long highestEpoch;
    /** As last measured: when an engine came, and after every update. */
    private long slotBudgetBytes;

    private GpuWorker(
            ActorContext<GpuWorkerMessage> context,
            TimerScheduler<GpuWorkerMessage> timers,
            String host,
            EngineLabels labels,
            Path socket,
            EngineUsers users,
            Duration orphanTimeout,
            UpdateContext update,
            WorkerMetrics metrics) {
        super(context);
        this.metrics = metrics;
        this.timers = timers;
        this.update = update;
        this.host = host;
        this.labels = labels;
        this.orphanTimeout = orphanTimeout;
        this.self = context.getSelf();
        this.steps = new UpdateSteps(self);
        this.slotBudgetBytes = update.device().slotBudgetBytes();
        this.link = EngineLink.listen(socket, update.worker(), users, new EngineLink.Listener() {
            @Override
            public Optional<String> refusal(Hello hello) {
                return update.device().refusal(hello.device());
            }

            @Override
            public void attached(EngineSession session) {
                self.tell(new EngineAttached(session));
            }

            @Override
            public void detached(EngineSession session, String reason) {
                self.tell(new EngineDetached(session, reason));
            }
        });
    }

    /**
     * Opens the engine link, then registers with the receptionist.
     *
     * @param host name of the worker's host
     * @param labels of the host's engines
     * @param socket where its engine connects
     * @param users as whom the engine may run
     * @param orphanTimeout how long an update waits for a new coordinator before it is taken back
     * @param metrics of the host
     */
    static Behavior<WorkerCommand> create(
            String host,
            EngineLabels labels,
            Path socket,
            EngineUsers users,
            Duration orphanTimeout,
            UpdateContext update,
            WorkerMetrics metrics) {
        Behavior<GpuWorkerMessage> worker = Behaviors.setup(context -> Behaviors.withTimers(timers -> {
            var behavior = new GpuWorker(context, timers, host, labels, socket, users, orphanTimeout, update, metrics);
            context.getSystem()
                    .receptionist()
                    .tell(Receptionist.register(
                            WorkerCommand.KEY, context.getSelf().unsafeUpcast()));
            return behavior;
        }));
        return Behaviors.transformMessages(
                WorkerCommand.class, worker, commands -> commands.match(WorkerCommand.class, Asked::new));
    }

    @Override
    public Receive<GpuWorkerMessage> createReceive() {
        return newReceiveBuilder()
                .onMessage(Asked.class, asked -> onAsked(asked.command()))
                .onMessage(EngineAttached.class, this::onEngineAttached)
                .onMessage(EngineDetached.class, this::onEngineDetached)
                .onMessage(PrepareDone.class, this::onPrepareDone)
                .onMessage(BeginDone.class, this::onBeginDone)
                .onMessage(StreamDone.class, this::onStreamDone)
                .onMessage(CommitDone.class, this::onCommitDone)
                .onMessage(AbortDone.class, this::onAbortDone)
                .onMessage(StepFailed.class, this::onStepFailed)
                .onMessage(BudgetMeasured.class, this::onBudgetMeasured)
                .onMessage(Orphaned.class, orphaned -> onOrphaned())
                .onSignal(Terminated.class, this::onSubscriberGone)
                .onSignal(PostStop.class, signal -> onStop())
                .build();
    }

    private Behavior<GpuWorkerMessage> onAsked(WorkerCommand command) {
        switch (command) {
            case WorkerCommand.Subscribe subscribe -> onSubscribe(subscribe.subscriber());
            case WorkerCommand.Prepare prepare -> onPrepare(prepare);
            case WorkerCommand.Begin begin -> onBegin(begin.epoch());
            case WorkerCommand.Stream stream -> onStream(stream.epoch());
            case WorkerCommand.Drop drop -> tell(drop.epoch(), session -> session.drop(drop.worker()));
            case WorkerCommand.Repair repair ->
                tell(repair.epoch(), session -> session.repair(repair.owners(), repair.hosts()));
            case WorkerCommand.HoldOn told -> tell(told.epoch(), UpdateSession::holdOn);
            case WorkerCommand.Commit commit -> onCommit(commit.epoch());
            case WorkerCommand.Abort abort -> onAbort(abort);
            case WorkerCommand.Verify verify -> onVerify(verify);
        }
        return this;
    }

    private void onSubscribe(ActorRef<WorkerEvent> subscriber) {
        if (subscribers.add(subscriber)) {
            getContext().watch(subscriber);
        }
        timers.cancel(Orphaned.class);
        subscriber.tell(state());
    }

    /** A new coordinator may settle the update, and knows better how; but nobody waits for one for ever. */
    private Behavior<GpuWorkerMessage> onSubscriberGone(Terminated gone) {
        subscribers.remove(gone.getRef().<WorkerEvent>unsafeUpcast());
        if (subscribers.isEmpty()) {
            timers.startSingleTimer(Orphaned.class, new Orphaned(), orphanTimeout);
        }
        return this;
    }

    private Behavior<GpuWorkerMessage> onOrphaned() {
        if (current != null && current.canAbort()) {
            giveUp(current, "no coordinator came back within " + orphanTimeout.toSeconds() + " s");
        }
        return this;
    }

    private void onPrepare(WorkerCommand.Prepare order) {
        var refusal = refusal(order);
        if (refusal != null) {
            order.replyTo().tell(new WorkerEvent.PrepareRefused(update.worker(), order.epoch(), refusal));
            return;
        }
        highestEpoch = order.epoch();
        var throttle = new Throttle(
                bytes -> order.replyTo().tell(new WorkerEvent.Progress(update.worker(), order.epoch(), bytes)));
        var receiver = receives(order) && engine != null ? engine.session() : null;
        var session = new UpdateSession(update, order, receiver, throttle::pass);
        current = new CurrentUpdate(
                session,
                order,
                receiver == null || engine == null ? null : engine.status().version());
        steps.run(session, () -> new PrepareDone(session, session.prepare()));
        tellState();
    }

    private @Nullable String refusal(WorkerCommand.Prepare order) {
        if (order.epoch() <= highestEpoch) {
            return "epoch " + order.epoch() + " is over: epoch " + highestEpoch + " was seen";
        }
        if (current != null && !current.isOver()) {
            return "epoch " + current.epoch() + " has not ended";
        }
        if (!receives(order)) {
            return null;
        }
        if (engine == null) {
            return "no engine is attached";
        }
        return order.strategy() == Strategy.STANDBY && !engine.hasStandingBy(order.checkpoint())
                ? "version " + order.checkpoint().version() + " does not stand by in engine "
                        + engine.status().engine() + " any more; ask again, and it is sent"
                : null;
    }

    private boolean receives(WorkerCommand.Prepare order) {
        return order.membership().workers().stream()
                .anyMatch(worker -> worker.id().equals(update.worker()) && worker.receives());
    }

    private Behavior<GpuWorkerMessage> onPrepareDone(PrepareDone done) {
        var going = at(Step.PREPARING, done.session());
        if (going != null) {
            going.step = Step.PREPARED;
            going.tell(new WorkerEvent.Prepared(update.worker(), going.epoch(), done.planDigest()));
            tellState();
        }
        return this;
    }

    private void onBegin(long epoch) {
        var going = at(Step.PREPARED, epoch);
        if (going != null) {
            going.step = Step.BEGINNING;
            if (engine != null && going.session.engine() != null) {
                engine = engine.updating(going.order);
            }
            var session = going.session;
            steps.run(session, () -> {
                session.begin();
                return new BeginDone(session);
            });
            tellState();
        }
    }

    private Behavior<GpuWorkerMessage> onBeginDone(BeginDone done) {
        var going = at(Step.BEGINNING, done.session());
        if (going != null) {
            going.step = Step.BEGUN;
            going.tell(new WorkerEvent.Begun(update.worker(), going.epoch()));
        }
        return this;
    }

    private void onStream(long epoch) {
        var going = at(Step.BEGUN, epoch);
        if (going != null) {
            going.step = Step.STREAMING;
            var session = going.session;
            var verifier = new StagedVerifier(update, going.order, session.engine(), checked(going.order)::pass);
            steps.run(session, () -> new StreamDone(session, verifier.verified(session.stream())));
            tellState();
        }
    }

    private Behavior<GpuWorkerMessage> onStreamDone(StreamDone done) {
        var going = at(Step.STREAMING, done.session());
        if (going != null) {
            going.step = Step.STAGED;
            metrics.streamed(update.worker(), done.report());
            going.tell(new WorkerEvent.Staged(update.worker(), going.epoch(), done.report()));
            tellState();
        }
        return this;
    }

    private Throttle checked(WorkerCommand.Prepare order) {
        return new Throttle(
                bytes -> order.replyTo().tell(new WorkerEvent.Progress(update.worker(), order.epoch(), 0, bytes)));
    }

    /** Something about an update that goes on. */
    private void tell(long epoch, Consumer<UpdateSession> news) {
        if (current != null && current.epoch() == epoch && current.canAbort()) {
            news.accept(current.session);
        }
    }

    private void onCommit(long epoch) {
        var staged = at(Step.STAGED, epoch);
        if (staged != null) {
            staged.step = Step.COMMITTING;
            var session = staged.session;
            steps.run(session, () -> new CommitDone(session, session.commit()));
            tellState();
        } else if (current != null && current.epoch() == epoch && current.step == Step.COMMITTED) {
            current.tell(new WorkerEvent.Committed(update.worker(), epoch, current.stallMicros));
        } else if (current != null && current.epoch() == epoch && current.canAbort()) {
            // All others have everything: it only sent, or was dropped and did not hear of it.
            abort(current, "the update was committed without this worker");
        } else {
            settled(epoch);
        }
    }

    private Behavior<GpuWorkerMessage> onCommitDone(CommitDone done) {
        var going = at(Step.COMMITTING, done.session());
        if (going != null) {
            going.step = Step.COMMITTED;
            metrics.committed(update.worker());
            going.stallMicros = done.stallMicros();
            if (engine != null && going.session.engine() == engine.session()) {
                engine = engine.serving(going.order.checkpoint(), going.session.standby());
            }
            going.tell(new WorkerEvent.Committed(update.worker(), going.epoch(), done.stallMicros()));
            tellState();
            steps.close(going.session);
            steps.measureBudget(update.device());
        }
        return this;
    }

    /** An update whose commit was ordered can not be taken back; the answer then waits until it is decided. */
    private void onAbort(WorkerCommand.Abort abort) {
        highestEpoch = Math.max(highestEpoch, abort.epoch());
        if (current == null || current.epoch() != abort.epoch() || current.isOver()) {
            settled(abort.epoch());
            abort.replyTo().tell(new WorkerEvent.Aborted(update.worker(), abort.epoch(), engineStatus()));
            return;
        }
        if (!current.awaitingAbort.contains(abort.replyTo())) {
            current.awaitingAbort.add(abort.replyTo());
        }
        if (current.canAbort()) {
            abort(current, abort.reason());
        }
    }

    /** A coordinator decided what this worker had given up. */
    private void settled(long epoch) {
        if (current != null && current.epoch() == epoch && current.givenUp && current.isOver()) {
            current.givenUp = false;
            tellState();
        }
    }

    private void giveUp(CurrentUpdate going, String reason) {
        going.givenUp = true;
        abort(going, reason);
    }

    private void abort(CurrentUpdate going, String reason) {
        going.step = Step.ABORTING;
        var session = going.session;
        session.fail(reason, null);
        steps.run(session, () -> new AbortDone(session, outcomeOfAbort(session, reason)));
    }

    private static AbortOutcome outcomeOfAbort(UpdateSession session, String reason) throws InterruptedException {
        try {
            return session.abort(reason);
        } catch (RuntimeException e) {
            var peer = session.engine();
            if (peer != null) {
                peer.close();
            }
            return new AbortOutcome.Lost();
        }
    }

    private Behavior<GpuWorkerMessage> onAbortDone(AbortDone done) {
        var going = at(Step.ABORTING, done.session());
        if (going != null) {
            going.step = Step.ABORTED;
            metrics.aborted(update.worker());
            if (engine != null && going.session.engine() == engine.session()) {
                engine = afterAbort(engine, done.outcome());
            }
            over(going);
        }
        return this;
    }

    private static @Nullable AttachedEngine afterAbort(AttachedEngine engine, AbortOutcome outcome) {
        return switch (outcome) {
            case AbortOutcome.Untouched untouched -> engine.untouched();
            case AbortOutcome.Answered answered -> engine.aborted(answered.answer());
            case AbortOutcome.Lost lost -> null;
        };
    }

    private Behavior<GpuWorkerMessage> onStepFailed(StepFailed failed) {
        var going = current;
        if (going == null || going.session != failed.session() || going.isOver()) {
            return this;
        }
        if (going.step == Step.COMMITTING) {
            // The engine may or may not have committed; only its next hello tells.
            going.step = Step.ABORTED;
            var unsure = going.session.engine();
            if (unsure != null) {
                unsure.close();
            }
            going.tell(failure(going, failed));
            over(going);
            steps.close(going.session);
        } else if (going.step != Step.ABORTING) {
            // While aborting it is the cancelled step that fails, which says nothing of the engine yet.
            going.tell(
                    going.step == Step.PREPARING
                            ? new WorkerEvent.PrepareRefused(update.worker(), going.epoch(), failed.reason())
                            : failure(going, failed));
            giveUp(going, failed.reason());
        }
        return this;
    }

    private WorkerEvent failure(CurrentUpdate going, StepFailed failed) {
        return new WorkerEvent.Failed(update.worker(), going.epoch(), failed.reason(), failed.suspect());
    }

    private void over(CurrentUpdate ended) {
        if (!ended.awaitingAbort.isEmpty()) {
            ended.givenUp = false;
        }
        tellState();
        for (var waiting : ended.awaitingAbort) {
            waiting.tell(new WorkerEvent.Aborted(update.worker(), ended.epoch(), engineStatus()));
        }
        ended.awaitingAbort.clear();
        steps.measureBudget(update.device());
    }

    private Behavior<GpuWorkerMessage> onBudgetMeasured(BudgetMeasured measured) {
        if (measured.bytes() != slotBudgetBytes) {
            slotBudgetBytes = measured.bytes();
            tellState();
        }
        return this;
    }

    private Behavior<GpuWorkerMessage> onEngineAttached(EngineAttached attached) {
        engine = AttachedEngine.of(attached.engine());
        steps.measureBudget(update.device());
        getContext()
                .getLog()
                .info("{}: engine {} attached", update.worker(), engine.status().engine());
        tellState();
        return this;
    }

    private Behavior<GpuWorkerMessage> onEngineDetached(EngineDetached detached) {
        if (engine == null || engine.session() != detached.engine()) {
            return this;
        }
        var name = engine.status().engine();
        getContext().getLog().info("{}: engine {} detached: {}", update.worker(), name, detached.reason());
        engine = null;
        if (current != null && !current.isOver() && current.session.engine() == detached.engine()) {
            var reason = "engine " + name + " was lost: " + detached.reason();
            current.session.fail(reason, name);
            if (current.isWaiting()) {
                onStepFailed(new StepFailed(current.session, reason, name));
            }
        }
        tellState();
        return this;
    }

    private void onVerify(WorkerCommand.Verify order) {
        var attached = engine;
        if (attached == null) {
            order.replyTo().tell(EngineVerifier.impossible(update.worker(), order, "no engine is attached"));
            return;
        }
        var verifier = new EngineVerifier(update, attached.session(), attached.status());
        steps.execute(() -> order.replyTo().tell(verifier.verify(order)));
    }

    private @Nullable CurrentUpdate at(Step step, UpdateSession session) {
        return current != null && current.session == session && current.step == step ? current : null;
    }

    private @Nullable CurrentUpdate at(Step step, long epoch) {
        return current != null && current.epoch() == epoch && current.step == step ? current : null;
    }

    private Behavior<GpuWorkerMessage> onStop() {
        if (current != null && current.canAbort()) {
            abort(current, "the worker stops");
        }
        link.close();
        return this;
    }

    private void tellState() {
        subscribers.forEach(subscriber -> subscriber.tell(state()));
    }

    private @Nullable EngineStatus engineStatus() {
        return engine == null ? null : engine.status();
    }

    private WorkerEvent state() {
        return new WorkerEvent.WorkerState(
                update.worker(),
                host,
                update.device().id(),
                slotBudgetBytes,
                update.communicators() == null ? null : update.communicators().version(),
                highestEpoch,
                current == null ? null : current.view(),
                engineStatus(),
                engine == null ? labels.ofHost() : labels.of(engine.session().hello()));
    }
}
