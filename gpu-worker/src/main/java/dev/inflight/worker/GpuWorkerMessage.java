package dev.inflight.worker;

import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.worker.link.EngineSession;
import dev.inflight.worker.update.UpdateSession;
import dev.inflight.worker.update.UpdateSession.AbortOutcome;
import org.jspecify.annotations.Nullable;

/** What a GPU worker's actor hears: the coordinator's commands, its engine link, and the ends of an update's steps. */
sealed interface GpuWorkerMessage {
    record Asked(WorkerCommand command) implements GpuWorkerMessage {}

    record EngineAttached(EngineSession engine) implements GpuWorkerMessage {}

    record EngineDetached(EngineSession engine, String reason) implements GpuWorkerMessage {}

    /** The end of an update's step. */
    sealed interface StepDone extends GpuWorkerMessage {
        UpdateSession session();
    }

    record PrepareDone(UpdateSession session, String planDigest) implements StepDone {}

    record BeginDone(UpdateSession session) implements StepDone {}

    record StreamDone(UpdateSession session, StageReport report) implements StepDone {}

    record CommitDone(UpdateSession session, long stallMicros) implements StepDone {}

    record AbortDone(UpdateSession session, AbortOutcome outcome) implements StepDone {}

    record StepFailed(
            UpdateSession session, String reason, @Nullable String suspect) implements StepDone {}

    /** How much memory the device can give to slots now. */
    record BudgetMeasured(long bytes) implements GpuWorkerMessage {}

    /** No coordinator has come back in time. */
    record Orphaned() implements GpuWorkerMessage {}
}
