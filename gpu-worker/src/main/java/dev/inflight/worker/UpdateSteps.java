package dev.inflight.worker;

import akka.actor.typed.ActorRef;
import dev.inflight.worker.GpuWorkerMessage.AbortDone;
import dev.inflight.worker.GpuWorkerMessage.BeginDone;
import dev.inflight.worker.GpuWorkerMessage.BudgetMeasured;
import dev.inflight.worker.GpuWorkerMessage.CommitDone;
import dev.inflight.worker.GpuWorkerMessage.PrepareDone;
import dev.inflight.worker.GpuWorkerMessage.StepFailed;
import dev.inflight.worker.GpuWorkerMessage.StreamDone;
import dev.inflight.worker.device.Device;
import dev.inflight.worker.update.UpdateException;
import dev.inflight.worker.update.UpdateSession;
import dev.inflight.worker.update.UpdateSession.AbortOutcome;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Runs the blocking steps of an update off the actor. However a step ends, a message to the actor says so. */
final class UpdateSteps {
    private static final Logger LOG = LoggerFactory.getLogger(UpdateSteps.class);

    private final Executor threads = Executors.newVirtualThreadPerTaskExecutor();
    private final ActorRef<GpuWorkerMessage> worker;

    interface Step {
        GpuWorkerMessage run() throws InterruptedException;
    }

    UpdateSteps(ActorRef<GpuWorkerMessage> worker) {
        this.worker = worker;
    }

    /** Tells the worker what the step returns, or {@link StepFailed}. */
    void run(UpdateSession session, Step step) {
        threads.execute(() -> {
            try (var fields = session.fields()) {
                tellEnd(session, step);
            }
        });
    }

    /** The log is written to when the worker has been told: it need not wait for that. */
    private void tellEnd(UpdateSession session, Step step) {
        GpuWorkerMessage done;
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

    private static void log(String worker, GpuWorkerMessage done, @Nullable Throwable failure) {
        if (failure == null) {
            LOG.info("{}: {}", worker, describe(done));
        } else if (failure instanceof UpdateException known) {
            LOG.warn("{}: failed: {}", worker, known.getMessage());
        } else {
            LOG.warn("{}: failed", worker, failure);
        }
    }

    private static String describe(GpuWorkerMessage done) {
        return switch (done) {
            case PrepareDone prepared -> "prepared, plan " + prepared.planDigest();
            case BeginDone begun -> "begun";
            case StreamDone staged -> "staged";
            case CommitDone committed -> "committed, the engine stood for " + committed.stallMicros() + " us";
            case AbortDone aborted -> "aborted: " + aborted.outcome();
            default -> done.toString();
        };
    }

    /** Always ends in {@link AbortDone}: an update whose end fails is over all the same. */
    void abort(UpdateSession session, String reason) {
        threads.execute(() -> {
            AbortOutcome outcome = new AbortOutcome.Lost();
            try {
                outcome = session.abort(reason);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            } finally {
                worker.tell(new AbortDone(session, outcome));
            }
        });
    }

    void close(UpdateSession session) {
        threads.execute(session::close);
    }

    /** Asking a GPU for its free memory may take long while it copies. Idle rings count as free, so any time is right. */
    void measureBudget(Device device) {
        threads.execute(() -> {
            try {
                worker.tell(new BudgetMeasured(device.slotBudgetBytes()));
            } catch (RuntimeException e) {
                LOG.warn("can not tell how much memory {} has for slots: {}", device.id(), e.toString());
            }
        });
    }

    void execute(Runnable task) {
        threads.execute(task);
    }
}
