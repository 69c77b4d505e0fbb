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
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.link.EngineMessage.Hello;
import dev.inflight.worker.GpuWorkerMessage.Asked;
import dev.inflight.worker.GpuWorkerMessage.BudgetMeasured;
import dev.inflight.worker.GpuWorkerMessage.EngineAttached;
import dev.inflight.worker.GpuWorkerMessage.EngineDetached;
import dev.inflight.worker.GpuWorkerMessage.Orphaned;
import dev.inflight.worker.GpuWorkerMessage.StepDone;
import dev.inflight.worker.link.EngineLink;
import dev.inflight.worker.link.EngineSession;
import dev.inflight.worker.link.EngineUsers;
import dev.inflight.worker.metrics.WorkerMetrics;
import dev.inflight.worker.update.UpdateContext;
import dev.inflight.worker.verify.EngineVerifier;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One GPU and the engine on it. Takes part in one update at a time ({@link Participation}), whose steps run on threads of
 * their own and come back as messages, and tells whoever subscribes how it is. Commands of an epoch older than the newest
 * seen change nothing.
 */
final class GpuWorker extends AbstractBehavior<GpuWorkerMessage> {
    private final UpdateContext update;
    private final WorkerMetrics metrics;
    private final String host;
    private final Duration orphanTimeout;
    private final TimerScheduler<GpuWorkerMessage> timers;
    private final EngineLink link;
    private final WorkerEngine engine;
    private final Executor blocking = Executors.newVirtualThreadPerTaskExecutor();
    private final UpdateSteps steps;
    private final Set<ActorRef<WorkerEvent>> subscribers = new HashSet<>();
    private @Nullable Participation current;
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
        this.orphanTimeout = orphanTimeout;
        this.engine = new WorkerEngine(labels);
        var self = context.getSelf();
        this.steps = new UpdateSteps(self, update, blocking);
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
                .onMessage(StepDone.class, this::onStepDone)
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
            case WorkerCommand.Begin begin -> order(begin.epoch(), Participation::begin);
            case WorkerCommand.Stream stream -> order(stream.epoch(), Participation::stream);
            case WorkerCommand.Drop drop -> order(drop.epoch(), going -> going.drop(drop.worker()));
            case WorkerCommand.Repair repair ->
                order(repair.epoch(), going -> going.repair(repair.owners(), repair.hosts()));
            case WorkerCommand.HoldOn told -> order(told.epoch(), Participation::holdOn);
            case WorkerCommand.Commit commit -> order(commit.epoch(), Participation::commit);
            case WorkerCommand.Abort abort -> onAbort(abort);
            case WorkerCommand.Verify verify -> onVerify(verify);
        }
        return this;
    }

    /** What is ordered for an update that this worker takes no part in any more changes nothing. */
    private void order(long epoch, Consumer<Participation> command) {
        if (current != null && current.epoch() == epoch) {
            command.accept(current);
        }
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
        if (current != null) {
            current.giveUp("no coordinator came back within " + orphanTimeout.toSeconds() + " s");
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
        current = Participation.prepare(update, order, engine, steps, metrics, this::tellState);
        tellState();
    }

    private @Nullable String refusal(WorkerCommand.Prepare order) {
        if (order.epoch() <= highestEpoch) {
            return "epoch " + order.epoch() + " is over: epoch " + highestEpoch + " was seen";
        }
        if (current != null && !current.isOver()) {
            return "epoch " + current.epoch() + " has not ended";
        }
        if (!Participation.receives(order, update.worker())) {
            return null;
        }
        var receiver = engine.attached();
        if (receiver == null) {
            return "no engine is attached";
        }
        return order.strategy() == Strategy.STANDBY && !receiver.hasStandingBy(order.checkpoint())
                ? "version " + order.checkpoint().version() + " does not stand by in engine "
                        + receiver.status().engine() + " any more; ask again, and it is sent"
                : null;
    }

    private void onAbort(WorkerCommand.Abort abort) {
        highestEpoch = Math.max(highestEpoch, abort.epoch());
        if (current != null && current.epoch() == abort.epoch()) {
            current.abort(abort);
        } else {
            abort.replyTo().tell(new WorkerEvent.Aborted(update.worker(), abort.epoch(), engine.status()));
        }
    }

    private Behavior<GpuWorkerMessage> onStepDone(StepDone done) {
        if (current != null) {
            current.ended(done);
        }
        return this;
    }

    private Behavior<GpuWorkerMessage> onBudgetMeasured(BudgetMeasured measured) {
        if (measured.bytes() != slotBudgetBytes) {
            slotBudgetBytes = measured.bytes();
            tellState();
        }
        return this;
    }

    private Behavior<GpuWorkerMessage> onEngineAttached(EngineAttached attached) {
        var session = attached.engine();
        engine.attach(session);
        steps.measureBudget();
        getContext()
                .getLog()
                .info("{}: engine {} attached", update.worker(), session.hello().engine());
        tellState();
        return this;
    }

    private Behavior<GpuWorkerMessage> onEngineDetached(EngineDetached detached) {
        var session = detached.engine();
        if (engine.detach(session)) {
            var name = session.hello().engine();
            getContext().getLog().info("{}: engine {} detached: {}", update.worker(), name, detached.reason());
            if (current != null) {
                current.engineLost(session, detached.reason());
            }
            tellState();
        }
        return this;
    }

    private void onVerify(WorkerCommand.Verify order) {
        var attached = engine.attached();
        if (attached == null) {
            order.replyTo().tell(EngineVerifier.impossible(update.worker(), order, "no engine is attached"));
            return;
        }
        var verifier = new EngineVerifier(update, attached.session(), attached.status());
        blocking.execute(() -> order.replyTo().tell(verifier.verify(order)));
    }

    private Behavior<GpuWorkerMessage> onStop() {
        if (current != null) {
            current.stop();
        }
        link.close();
        return this;
    }

    private void tellState() {
        subscribers.forEach(subscriber -> subscriber.tell(state()));
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
                engine.status(),
                engine.labels());
    }
}
