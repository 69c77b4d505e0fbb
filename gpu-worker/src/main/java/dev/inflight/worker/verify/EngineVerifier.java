package dev.inflight.worker.verify;

import dev.inflight.protocol.checkpoint.TensorSpec;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.link.SliceException;
import dev.inflight.worker.link.EngineSession;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.update.UpdateContext;
import java.util.List;

/** Compares an engine's live tensors with a manifest. Blocks; for any thread but an actor's. */
public final class EngineVerifier {
    private static final int MOST_NAMES = 20;

    private final UpdateContext context;
    private final EngineSession engine;
    private final EngineStatus status;

    public EngineVerifier(UpdateContext context, EngineSession engine, EngineStatus status) {
        this.context = context;
        this.engine = engine;
        this.status = status;
    }

    /** Compares all tensors that the engine wants; never throws for a fault of the engine, the answer then says what it was. */
    public WorkerEvent verify(WorkerCommand.Verify order) {
        try {
            var checkpoint =
                    context.store().adopt(order.checkpoint(), context.peers().holders(order.holders()));
            try (var live = new EngineBytes(context.device(), engine, context.engineTimeout(), null)) {
                return compare(order, checkpoint, live);
            }
        } catch (SliceException | InterruptedException | RuntimeException | Error e) {
            return impossible(context.worker(), order, e.getMessage() == null ? e.toString() : e.getMessage());
        }
    }

    /** The answer where no comparison can be made. */
    public static WorkerEvent impossible(String worker, WorkerCommand.Verify order, String reason) {
        return new WorkerEvent.Verified(worker, order.verifyId(), null, null, 0, List.of(), 0, reason);
    }

    private WorkerEvent compare(WorkerCommand.Verify order, StoredCheckpoint checkpoint, EngineBytes live)
            throws SliceException, InterruptedException {
        var compared = new EngineComparison(context, engine).compare(checkpoint, order.holders(), live, more -> {});
        var differing = compared.differing();
        var tensors = checkpoint.layout().tensors();
        var first = differing.stream().limit(MOST_NAMES).map(tensors::get).toList();
        var files = checkpoint.layout().files();
        return new WorkerEvent.Verified(
                context.worker(),
                order.verifyId(),
                status.engine(),
                status.version(),
                compared.tensors(),
                first.stream().map(TensorSpec::name).toList(),
                differing.size(),
                null,
                first.stream()
                        .map(tensor -> files.get(tensor.file()).name())
                        .distinct()
                        .toList());
    }
}
