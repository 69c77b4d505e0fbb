package dev.inflight.worker.verify;

import dev.inflight.protocol.checkpoint.BlockHasher;
import dev.inflight.protocol.checkpoint.TensorDigest;
import dev.inflight.protocol.link.DumpPart;
import dev.inflight.protocol.link.WorkerMessage;
import dev.inflight.worker.device.HostSlotRing;
import dev.inflight.worker.link.EngineSession;
import dev.inflight.worker.update.EngineAnswers;
import dev.inflight.worker.update.UpdateException;
import java.time.Duration;
import java.util.List;

/** A slot that an engine copies its live tensors into. For one thread. */
final class LiveBytes {
    private final HostSlotRing ring;
    private final EngineSession engine;
    private final Duration timeout;
    private long nextId;

    LiveBytes(HostSlotRing ring, EngineSession engine, Duration timeout) {
        this.ring = ring;
        this.engine = engine;
        this.timeout = timeout;
    }

    /** Size of the slot. */
    long slotBytes() {
        return ring.slotBytes();
    }

    /** Has the engine write these parts over what the slot held. */
    void dump(List<DumpPart> wanted) throws InterruptedException {
        var answer = engine.dump(new WorkerMessage.Dump(nextId++, ring.memory(0), wanted));
        try {
            EngineAnswers.await("dump", engine, answer, timeout);
        } catch (UpdateException | InterruptedException e) {
            // Whatever the engine still does with the slot must not reach the next update.
            ring.discard();
            throw e;
        }
    }

    /** Digest of a range of the slot of at most a block. */
    TensorDigest digest(long offset, long bytes) {
        return BlockHasher.digest(ring.slot(0), offset, Math.toIntExact(bytes));
    }
}
