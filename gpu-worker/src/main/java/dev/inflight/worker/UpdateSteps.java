package dev.inflight.worker;

import akka.actor.typed.ActorRef;
import dev.inflight.protocol.cluster.WorkerCommand.Prepare;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.worker.GpuWorkerMessage.AbortDone;
import dev.inflight.worker.GpuWorkerMessage.BeginDone;
import dev.inflight.worker.GpuWorkerMessage.BudgetMeasured;
import dev.inflight.worker.GpuWorkerMessage.CommitDone;
import dev.inflight.worker.GpuWorkerMessage.PrepareDone;
import dev.inflight.worker.GpuWorkerMessage.StepDone;
import dev.inflight.worker.GpuWorkerMessage.StepFailed;
import dev.inflight.worker.GpuWorkerMessage.StreamDone;
import dev.inflight.worker.update.UpdateContext;
import dev.inflight.worker.update.UpdateException;
import dev.inflight.worker.update.UpdateSession;
import dev.inflight.worker.update.UpdateSession.AbortOutcome;
import dev.inflight.worker.verify.StagedVerifier;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs the blocking steps of an update off the actor. However a step ends, a message to the actor says so. No method
 * blocks; for the actor alone.
 */
final class UpdateSteps {
    private static final Logger LOG = LoggerFactory.getLogger(UpdateSteps.class);

    private final ActorRef<GpuWorkerMessage> worker;
    private final UpdateContext context;
    private final Executor threads;

    private interface Step {
        StepDone run() throws InterruptedException;
    }

    /** @param threads runs each step on a thread that may block */
    UpdateSteps(ActorRef<GpuWorkerMessage> worker, UpdateContext context, Executor threads) {
        this.worker = worker;
        this.context = context;
        this.threads = threads;
    }

    void prepare(UpdateSession session) {
        run(session, () -> new PrepareDone(session, session.prepare()));
    }

    void begin(UpdateSession session) {
        run(session, () -> {
            session.begin();
            return new BeginDone(session);
        });
    }

    /** Ends when everything is in the engine, and was compared there if the order asks for it. */
    void stream(UpdateSession session, Prepare order) {
        var compared = new Throttle(
                bytes -> order.replyTo().tell(new WorkerEvent.Progress(context.worker(), order.epoch(), 0, bytes)));
        var verifier = new StagedVerifier(context, order, session.engine(), compared::pass);
        run(session, () -> new StreamDone(session, verifier.verified(session.stream())));
    }

    void commit(UpdateSession session) {
        run(session, () -> new CommitDone(session, session.commit()));
    }

    /** An abort that fails ends like one that the engine did not answer. */
    void abort(UpdateSession session, String reason) {
        run(session, () -> new AbortDone(session, outcomeOfAbort(session, reason)));
    }

    private static AbortOutcome outcomeOfAbort(UpdateSession session, String reason) {
        try {
            return session.abort(reason);
        } catch (InterruptedException | RuntimeException | Error e) {
            LOG.warn("{}: could not take the update back", session.worker(), e);
            var peer = session.engine();
            if (peer != null) {
                peer.close();
            }
            return new AbortOutcome.Lost();
        }
    }

    /** Tells the worker what the step returns, or {@link StepFailed}. */
    private void run(UpdateSession session, Step step) {
        threads.execute(() -> {
            try (var fields = session.fields()) {
                tellEnd(session, step);
            }
        });
    }

    /** The log is written to when the worker has been told: it need not wait for that. */
    private void tellEnd(UpdateSession session, Step step) {
        StepDone done;
        Throwable failure = null;
        try {
            done = step.run();
        } catch (UpdateException e) {
            failure = e;
            done = new StepFailed(session, String.valueOf(e.getMessage()), e.suspect());
        } catch (InterruptedException | RuntimeException | Error e) {
            failure = e;
            done = new StepFailed(session, e.getMessage() == null ? e.toString() : e.getMessage(), null);
        }
        worker.tell(done);
        log(session.worker(), done, failure);
    }

    private static void log(String worker, StepDone done, @Nullable Throwable failure) {
        if (failure == null) {
            LOG.info("{}: {}", worker, describe(done));
        } else if (failure instanceof UpdateException known) {
            LOG.warn("{}: failed: {}", worker, known.getMessage());
        } else {
            LOG.warn("{}: failed", worker, failure);
        }
    }

    private static String describe(StepDone done) {
        return switch (done) {
            case PrepareDone prepared -> "prepared, plan " + prepared.planDigest();
            case BeginDone begun -> "begun";
            case StreamDone staged -> "staged";
            case CommitDone committed -> "committed, the engine stood for " + committed.stallMicros() + " us";
            case AbortDone aborted -> "aborted: " + aborted.outcome();
            case StepFailed failed -> "failed: " + failed.reason();
        };
    }

    /** Gives back what an update has taken, and measures the budget then. */
    void close(UpdateSession session) {
        threads.execute(() -> {
            try {
                session.close();
            } finally {
                measure();
            }
        });
    }

    /** Asking a GPU for its free memory may take long while it copies. Idle rings count as free. */
    void measureBudget() {
        threads.execute(this::measure);
    }

    private void measure() {
        var device = context.device();
        try {
            worker.tell(new BudgetMeasured(device.slotBudgetBytes()));
        } catch (RuntimeException e) {
            LOG.warn("can not tell how much memory {} has for slots: {}", device.id(), e.toString());
        }
    }
}
