package dev.inflight.worker.update;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.link.NeededBytes;
import dev.inflight.protocol.link.SliceException;
import dev.inflight.worker.link.EngineSession;
import org.jspecify.annotations.Nullable;

/** What a worker's engine is to be sent of a checkpoint. */
final class Needs {
    private Needs() {}

    /**
     * @param engine null if there is none: then everything
     * @throws UpdateException naming the engine, if it wants nothing of the checkpoint, or a tensor that can not be cut
     *     into as many equal parts as its group has ranks
     */
    static NeededBytes of(@Nullable EngineSession engine, CheckpointLayout layout) {
        if (engine == null) {
            return NeededBytes.all(layout);
        }
        var hello = engine.hello();
        try {
            var needed = NeededBytes.of(layout, hello.share(), hello.wholeTensors());
            if (needed.tensors() == 0 && !layout.tensors().isEmpty()) {
                throw new UpdateException(
                        "engine %s wants none of the %d tensors: \"wants\" of its hello leaves nothing"
                                .formatted(hello.engine(), layout.tensors().size()),
                        null);
            }
            return needed;
        } catch (SliceException e) {
            throw new UpdateException("engine " + hello.engine() + ": " + e.getMessage(), null);
        }
    }
}
