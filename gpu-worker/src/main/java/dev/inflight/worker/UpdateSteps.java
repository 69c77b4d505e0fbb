package dev.inflight.worker;

import akka.actor.typed.ActorRef;
import dev.inflight.worker.GpuWorkerMessage.AbortDone;
import dev.inflight.worker.GpuWorkerMessage.StepFailed;
import dev.inflight.worker.update.UpdateException;
import dev.inflight.worker.update.UpdateSession;
import dev.inflight.worker.update.UpdateSession.AbortOutcome;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;

/** Runs the blocking steps of an update off the actor. However a step ends, a message to the actor says so. */
final class UpdateSteps {
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
            try {
                worker.tell(step.run());
            } catch (UpdateException e) {
                worker.tell(new StepFailed(session, String.valueOf(e.getMessage()), e.suspect()));
            } catch (InterruptedException | RuntimeException | Error e) {
                worker.tell(new StepFailed(session, e.getMessage() == null ? e.toString() : e.getMessage(), null));
            }
        });
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

    void execute(Runnable task) {
        threads.execute(task);
    }
}
