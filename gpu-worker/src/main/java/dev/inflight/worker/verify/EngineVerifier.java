package dev.inflight.worker.verify;

import dev.inflight.protocol.checkpoint.BlockHasher;
import dev.inflight.protocol.checkpoint.TensorDigest;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.link.DumpPart;
import dev.inflight.protocol.link.WorkerMessage;
import dev.inflight.worker.device.HostSlotRing;
import dev.inflight.worker.link.EngineSession;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.update.EngineAnswers;
import dev.inflight.worker.update.UpdateContext;
import dev.inflight.worker.update.UpdateException;
import java.util.ArrayList;
import java.util.List;

/**
 * Has an engine copy its live tensors into a slot, piece by piece, and compares their digests with the manifest's.
 * Blocks; for any thread but an actor's.
 */
public final class EngineVerifier {
    private static final int MOST_NAMES = 20;
    private static final long BLOCK = BlockHasher.BLOCK_BYTES;
    private static final int MOST_PARTS = 4096;

    private final UpdateContext context;
    private final EngineSession engine;
    private final EngineStatus status;

    public EngineVerifier(UpdateContext context, EngineSession engine, EngineStatus status) {
        this.context = context;
        this.engine = engine;
        this.status = status;
    }

    /** Compares all tensors; never throws for a fault of the engine, the answer then says what it was. */
    public WorkerEvent verify(WorkerCommand.Verify order) {
        try {
            var checkpoint =
                    context.store().adopt(order.checkpoint(), context.peers().holders(order.holders()));
            try (var ring = context.device().hostSlots(1, slotBytes())) {
                return compare(order, checkpoint, ring);
            }
        } catch (InterruptedException | RuntimeException | Error e) {
            return impossible(context.worker(), order, e.getMessage() == null ? e.toString() : e.getMessage());
        }
    }

    private long slotBytes() {
        return context.device().slotBudgetBytes() / BLOCK * BLOCK;
    }

    /** The answer where no comparison can be made. */
    public static WorkerEvent impossible(String worker, WorkerCommand.Verify order, String reason) {
        return new WorkerEvent.Verified(worker, order.verifyId(), null, null, 0, List.of(), 0, reason);
    }

    private WorkerEvent compare(WorkerCommand.Verify order, StoredCheckpoint checkpoint, HostSlotRing ring)
            throws InterruptedException {
        var mismatched = new ArrayList<String>();
        long mismatches = 0;
        var batch = new Batch(ring, checkpoint);
        int tensors = checkpoint.layout().tensors().size();
        for (int tensor = 0; tensor < tensors; tensor++) {
            for (int differing : batch.add(tensor)) {
                mismatches++;
                keep(mismatched, checkpoint, differing);
            }
        }
        for (int differing : batch.flush()) {
            mismatches++;
            keep(mismatched, checkpoint, differing);
        }
        return new WorkerEvent.Verified(
                context.worker(),
                order.verifyId(),
                status.engine(),
                status.version(),
                tensors,
                mismatched,
                mismatches,
                null);
    }

    private static void keep(List<String> names, StoredCheckpoint checkpoint, int tensor) {
        if (names.size() < MOST_NAMES) {
            names.add(checkpoint.layout().tensors().get(tensor).name());
        }
    }

    /** Tensors dumped together; a tensor larger than the slot goes through it in several pieces. */
    private final class Batch {
        private final HostSlotRing ring;
        private final StoredCheckpoint checkpoint;
        private final List<DumpPart> parts = new ArrayList<>();
        private final List<Integer> tensors = new ArrayList<>();
        private long used;
        private long nextId;

        Batch(HostSlotRing ring, StoredCheckpoint checkpoint) {
            this.ring = ring;
            this.checkpoint = checkpoint;
        }

        /** @return tensors found to differ */
        List<Integer> add(int tensor) throws InterruptedException {
            var spec = checkpoint.layout().tensors().get(tensor);
            var differing = new ArrayList<Integer>();
            if (used + spec.bytes() > ring.slotBytes() || parts.size() == MOST_PARTS) {
                differing.addAll(flush());
            }
            if (spec.bytes() > ring.slotBytes()) {
                if (!inPieces(tensor).equals(checkpoint.manifest().digests().get(tensor))) {
                    differing.add(tensor);
                }
                return differing;
            }
            parts.add(new DumpPart(spec.name(), used, spec.bytes(), 0));
            tensors.add(tensor);
            used = Math.ceilDiv(used + spec.bytes(), 256L) * 256L;
            return differing;
        }

        List<Integer> flush() throws InterruptedException {
            var differing = new ArrayList<Integer>();
            if (!parts.isEmpty()) {
                dump(parts);
                for (int i = 0; i < parts.size(); i++) {
                    var digest = TensorDigest.ofBlocks(blocks(parts.get(i)));
                    if (!digest.equals(checkpoint.manifest().digests().get(tensors.get(i)))) {
                        differing.add(tensors.get(i));
                    }
                }
            }
            parts.clear();
            tensors.clear();
            used = 0;
            return differing;
        }

        private TensorDigest inPieces(int tensor) throws InterruptedException {
            var spec = checkpoint.layout().tensors().get(tensor);
            var blocks = new ArrayList<TensorDigest>();
            for (long begin = 0; begin < spec.bytes(); begin += ring.slotBytes()) {
                var part = new DumpPart(spec.name(), 0, Math.min(ring.slotBytes(), spec.bytes() - begin), begin);
                dump(List.of(part));
                blocks.addAll(blocks(part));
            }
            return TensorDigest.ofBlocks(blocks);
        }

        private List<TensorDigest> blocks(DumpPart part) {
            var digests = new ArrayList<TensorDigest>();
            for (long at = 0; at < part.bytes(); at += BLOCK) {
                int length = (int) Math.min(BLOCK, part.bytes() - at);
                digests.add(BlockHasher.digest(ring.slot(0), part.offset() + at, length));
            }
            return digests;
        }

        private void dump(List<DumpPart> wanted) throws InterruptedException {
            var answer = engine.dump(new WorkerMessage.Dump(nextId++, ring.memory(0), wanted));
            try {
                EngineAnswers.await("dump", engine, answer, context.engineTimeout());
            } catch (UpdateException | InterruptedException e) {
                // Whatever the engine still does with the slot must not reach the next update.
                ring.discard();
                throw e;
            }
        }
    }
}
