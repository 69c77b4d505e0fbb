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

    record PrepareDone(UpdateSession session, String planDigest) implements GpuWorkerMessage {}

    record BeginDone(UpdateSession session) implements GpuWorkerMessage {}

    record StreamDone(UpdateSession session, StageReport report) implements GpuWorkerMessage {}

    record CommitDone(UpdateSession session, long stallMicros) implements GpuWorkerMessage {}

    record AbortDone(UpdateSession session, AbortOutcome outcome) implements GpuWorkerMessage {}

    record StepFailed(
            UpdateSession session, String reason, @Nullable String suspect) implements GpuWorkerMessage {}

    /** How much memory the device can give to slots now. */
    record BudgetMeasured(long bytes) implements GpuWorkerMessage {}

    /** No coordinator has come back in time. */
    record Orphaned() implements GpuWorkerMessage {}
}
