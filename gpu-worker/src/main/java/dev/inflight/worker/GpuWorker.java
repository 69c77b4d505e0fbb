package dev.inflight.worker;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.PostStop;
import akka.actor.typed.PreRestart;
import akka.actor.typed.SupervisorStrategy;
import akka.actor.typed.Terminated;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.receptionist.Receptionist;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.Session.Phase;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.link.EngineMessage;
import dev.inflight.worker.link.EngineLink;
import dev.inflight.worker.link.EngineSession;
import dev.inflight.worker.update.UpdateContext;
import dev.inflight.worker.update.UpdateException;
import dev.inflight.worker.update.UpdateSession;
import dev.inflight.worker.verify.EngineVerifier;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;

/**
 * One GPU and the engine on it. Takes part in one update at a time; the update's steps run on threads of their own and
 * come back as messages. Commands of an epoch older than the newest seen change nothing.
 */
public final class GpuWorker extends AbstractBehavior<GpuWorker.Message> {
    sealed interface Message {}

    private record Asked(WorkerCommand command) implements Message {}

    private record EngineAttached(EngineSession engine) implements Message {}

    private record EngineDetached(EngineSession engine, String reason) implements Message {}

    private record PrepareDone(UpdateSession session, String planDigest) implements Message {}

    private record StreamDone(UpdateSession session, StageReport report) implements Message {}

    private record CommitDone(UpdateSession session, long stallMicros) implements Message {}

    private record AbortDone(
            UpdateSession session,
            EngineMessage.@Nullable Aborted answer,
            @Nullable ActorRef<WorkerEvent> replyTo) implements Message {}

    private record StepFailed(
            UpdateSession session, String reason, @Nullable String suspect) implements Message {}

    /** The update this worker is part of, or was part of last. */
    private static final class Current {
        final UpdateSession session;
        final WorkerCommand.Prepare order;
        Phase phase = Phase.PREPARED;
        boolean prepared;
        boolean committing;
        boolean aborting;
        boolean over;
        long stallMicros;

        Current(UpdateSession session, WorkerCommand.Prepare order) {
            this.session = session;
            this.order = order;
        }

        long epoch() {
            return order.epoch();
        }

        boolean isReadyToStream() {
            return prepared && phase == Phase.PREPARED && !aborting && !over;
        }
    }

    private final UpdateContext update;
    private final String host;
    private final ActorRef<Message> self;
    private final EngineLink link;
    private final Executor blocking = Executors.newVirtualThreadPerTaskExecutor();
    private final Set<ActorRef<WorkerEvent>> subscribers = new HashSet<>();
    private @Nullable AttachedEngine engine;
    private @Nullable Current current;
    private long highestEpoch;

    private GpuWorker(ActorContext<Message> context, String host, Path socket, UpdateContext update) {
        super(context);
        this.update = update;
        this.host = host;
        this.self = context.getSelf();
        this.link = EngineLink.listen(socket, update.worker(), new EngineLink.Listener() {
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
     * Opens the engine link and registers with the receptionist. A failure restarts the worker: its engine is detached
     * and comes back by itself.
     *
     * @param host name of the worker's host
     * @param socket where its engine connects
     */
    static Behavior<WorkerCommand> create(String host, Path socket, UpdateContext update) {
        Behavior<Message> worker = Behaviors.setup(context -> {
            context.getSystem()
                    .receptionist()
                    .tell(Receptionist.register(
                            WorkerCommand.KEY, context.getSelf().unsafeUpcast()));
            return new GpuWorker(context, host, socket, update);
        });
        return Behaviors.transformMessages(
                WorkerCommand.class,
                Behaviors.supervise(worker).onFailure(SupervisorStrategy.restart()),
                commands -> commands.match(WorkerCommand.class, Asked::new));
    }

    @Override
    public Receive<Message> createReceive() {
        return newReceiveBuilder()
                .onMessage(Asked.class, asked -> onAsked(asked.command()))
                .onMessage(EngineAttached.class, this::onEngineAttached)
                .onMessage(EngineDetached.class, this::onEngineDetached)
                .onMessage(PrepareDone.class, this::onPrepareDone)
                .onMessage(StreamDone.class, this::onStreamDone)
                .onMessage(CommitDone.class, this::onCommitDone)
                .onMessage(AbortDone.class, this::onAbortDone)
                .onMessage(StepFailed.class, this::onStepFailed)
                .onSignal(Terminated.class, this::onSubscriberGone)
                .onSignal(PreRestart.class, signal -> onStop())
                .onSignal(PostStop.class, signal -> onStop())
                .build();
    }

    private Behavior<Message> onAsked(WorkerCommand command) {
        switch (command) {
            case WorkerCommand.Subscribe subscribe -> onSubscribe(subscribe.subscriber());
            case WorkerCommand.Prepare prepare -> onPrepare(prepare);
            case WorkerCommand.Stream stream -> onStream(stream.epoch());
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
        subscriber.tell(state());
    }

    /** Without a coordinator nobody would ever decide an update that is not staged yet, so it ends here. */
    private Behavior<Message> onSubscriberGone(Terminated gone) {
        subscribers.remove(gone.getRef().<WorkerEvent>unsafeUpcast());
        if (current != null && !current.over && current.phase.compareTo(Phase.STAGED) < 0 && subscribers.isEmpty()) {
            end(current, "the coordinator is gone", null);
        }
        return this;
    }

    private void onPrepare(WorkerCommand.Prepare order) {
        if (order.epoch() <= highestEpoch) {
            return;
        }
        if (current != null && !current.over) {
            order.replyTo()
                    .tell(new WorkerEvent.PrepareRefused(
                            update.worker(), order.epoch(), "epoch " + current.session.epoch() + " has not ended"));
            return;
        }
        highestEpoch = order.epoch();
        var attached = engine;
        boolean receives = order.membership().workers().stream()
                .anyMatch(worker -> worker.id().equals(update.worker()) && worker.receives());
        if (receives && attached == null) {
            order.replyTo()
                    .tell(new WorkerEvent.PrepareRefused(update.worker(), order.epoch(), "no engine is attached"));
            return;
        }
        var throttle = new Throttle(
                bytes -> order.replyTo().tell(new WorkerEvent.Progress(update.worker(), order.epoch(), bytes)));
        var session = new UpdateSession(
                update, order, receives && attached != null ? attached.session() : null, throttle::pass);
        current = new Current(session, order);
        run(session, () -> new PrepareDone(session, session.prepare()));
    }

    private Behavior<Message> onPrepareDone(PrepareDone done) {
        var going = going(done.session());
        if (going != null) {
            going.prepared = true;
            going.order.replyTo().tell(new WorkerEvent.Prepared(update.worker(), going.epoch(), done.planDigest()));
            tellState();
        }
        return this;
    }

    private void onStream(long epoch) {
        if (current == null || current.session.epoch() != epoch || !current.isReadyToStream()) {
            return;
        }
        current.phase = Phase.STREAMING;
        if (engine != null && current.session.engine() != null) {
            engine = engine.updating(current.order.checkpoint().version());
        }
        tellState();
        var session = current.session;
        run(session, () -> new StreamDone(session, session.stream()));
    }

    private Behavior<Message> onStreamDone(StreamDone done) {
        var going = going(done.session());
        if (going != null) {
            going.phase = Phase.STAGED;
            going.order.replyTo().tell(new WorkerEvent.Staged(update.worker(), going.epoch(), done.report()));
            tellState();
        }
        return this;
    }

    private void onCommit(long epoch) {
        if (current == null || current.session.epoch() != epoch) {
            return;
        }
        if (current.phase == Phase.COMMITTED) {
            current.order.replyTo().tell(new WorkerEvent.Committed(update.worker(), epoch, current.stallMicros));
            return;
        }
        if (current.phase == Phase.STAGED && !current.committing && !current.aborting) {
            current.committing = true;
            var session = current.session;
            run(session, () -> new CommitDone(session, session.commit()));
        }
    }

    private Behavior<Message> onCommitDone(CommitDone done) {
        if (current != null && current.session == done.session()) {
            current.phase = Phase.COMMITTED;
            current.over = true;
            current.stallMicros = done.stallMicros();
            if (engine != null && current.session.engine() == engine.session()) {
                engine = engine.serving(current.order.checkpoint());
            }
            current.order.replyTo().tell(new WorkerEvent.Committed(update.worker(), highestEpoch, done.stallMicros()));
            tellState();
        }
        return this;
    }

    private void onAbort(WorkerCommand.Abort abort) {
        highestEpoch = Math.max(highestEpoch, abort.epoch());
        if (current != null && current.session.epoch() == abort.epoch() && !current.over) {
            end(current, abort.reason(), abort.replyTo());
        } else {
            abort.replyTo().tell(new WorkerEvent.Aborted(update.worker(), abort.epoch(), engineStatus()));
        }
    }

    /** Stops the running step and takes the update back. */
    private void end(Current ended, String reason, @Nullable ActorRef<WorkerEvent> replyTo) {
        ended.aborting = true;
        var session = ended.session;
        session.fail(reason, null);
        blocking.execute(() -> {
            EngineMessage.Aborted answer = null;
            try {
                answer = session.abort(reason);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            } finally {
                self.tell(new AbortDone(session, answer, replyTo));
            }
        });
    }

    private Behavior<Message> onAbortDone(AbortDone done) {
        if (current != null && current.session == done.session()) {
            current.over = true;
            if (engine != null && current.session.engine() == engine.session()) {
                // An engine that was touched and does not answer is being disconnected: its next hello tells its state.
                engine = done.answer() == null && done.session().engineTouched() ? null : engine.aborted(done.answer());
            }
        }
        if (done.replyTo() != null) {
            done.replyTo()
                    .tell(new WorkerEvent.Aborted(
                            update.worker(), done.session().epoch(), engineStatus()));
        }
        tellState();
        return this;
    }

    private Behavior<Message> onStepFailed(StepFailed failed) {
        if (current == null || current.session != failed.session() || current.over) {
            return this;
        }
        var order = current.order;
        if (!current.prepared) {
            order.replyTo().tell(new WorkerEvent.PrepareRefused(update.worker(), order.epoch(), failed.reason()));
        } else {
            order.replyTo()
                    .tell(new WorkerEvent.Failed(update.worker(), order.epoch(), failed.reason(), failed.suspect()));
        }
        if (current.committing) {
            // The commit was not confirmed: the engine may or may not have taken it, and only its next hello tells.
            current.over = true;
            var unsure = current.session.engine();
            if (unsure != null) {
                unsure.close();
            }
            tellState();
        } else if (!current.aborting) {
            end(current, failed.reason(), null);
        }
        return this;
    }

    private Behavior<Message> onEngineAttached(EngineAttached attached) {
        engine = AttachedEngine.of(attached.engine());
        getContext()
                .getLog()
                .info("{}: engine {} attached", update.worker(), engine.status().engine());
        tellState();
        return this;
    }

    private Behavior<Message> onEngineDetached(EngineDetached detached) {
        if (engine == null || engine.session() != detached.engine()) {
            return this;
        }
        var name = engine.status().engine();
        getContext().getLog().info("{}: engine {} detached: {}", update.worker(), name, detached.reason());
        engine = null;
        if (current != null && !current.over && current.session.engine() == detached.engine()) {
            current.session.fail(lost(name, detached.reason()), name);
            // A waiting session has no step that could fail of it.
            if (current.isReadyToStream() || (current.phase == Phase.STAGED && !current.committing)) {
                onStepFailed(new StepFailed(current.session, lost(name, detached.reason()), name));
            }
        }
        tellState();
        return this;
    }

    private static String lost(String engine, String reason) {
        return "engine " + engine + " was lost: " + reason;
    }

    private void onVerify(WorkerCommand.Verify order) {
        var attached = engine;
        if (attached == null) {
            order.replyTo().tell(EngineVerifier.impossible(update.worker(), order, "no engine is attached"));
            return;
        }
        var verifier = new EngineVerifier(update, attached.session(), attached.status());
        blocking.execute(() -> order.replyTo().tell(verifier.verify(order)));
    }

    private interface Step {
        Message run() throws InterruptedException;
    }

    private void run(UpdateSession session, Step step) {
        blocking.execute(() -> {
            try {
                self.tell(step.run());
            } catch (UpdateException e) {
                self.tell(new StepFailed(session, String.valueOf(e.getMessage()), e.suspect()));
            } catch (RuntimeException e) {
                self.tell(new StepFailed(session, e.getMessage() == null ? e.toString() : e.getMessage(), null));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
    }

    /** The present update if it is this one and has not begun to end. */
    private @Nullable Current going(UpdateSession session) {
        return current != null && current.session == session && !current.aborting && !current.over ? current : null;
    }

    private Behavior<Message> onStop() {
        if (current != null && !current.over) {
            end(current, "the worker stops", null);
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
        var session = current == null || (current.over && current.phase != Phase.COMMITTED)
                ? null
                : new WorkerEvent.Session(current.session.epoch(), current.order.updateId(), current.phase);
        return new WorkerEvent.WorkerState(
                update.worker(),
                host,
                update.device().id(),
                update.device().slotBudgetBytes(),
                highestEpoch,
                session,
                engineStatus());
    }
}
