package dev.inflight.worker.verify;

import dev.inflight.protocol.checkpoint.BlockHasher;
import dev.inflight.protocol.checkpoint.TensorDigest;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.link.DumpPart;
import dev.inflight.protocol.link.NeededBytes;
import dev.inflight.protocol.link.SliceException;
import dev.inflight.worker.link.EngineSession;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.update.UpdateContext;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/**
 * Has an engine copy its live tensors into a slot, piece by piece, and compares their digests with the manifest's. Of
 * tensors that an engine has slices of, it compares each block's part with what the block's holder computes.
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

    /** Compares all tensors that the engine wants; never throws for a fault of the engine, the answer then says what it was. */
    public WorkerEvent verify(WorkerCommand.Verify order) {
        try {
            var checkpoint =
                    context.store().adopt(order.checkpoint(), context.peers().holders(order.holders()));
            try (var ring = context.device().hostSlots(1, slotBytes())) {
                return compare(order, checkpoint, new LiveBytes(ring, engine, context.engineTimeout()));
            }
        } catch (SliceException | InterruptedException | RuntimeException | Error e) {
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

    private WorkerEvent compare(WorkerCommand.Verify order, StoredCheckpoint checkpoint, LiveBytes live)
            throws SliceException, InterruptedException {
        var needed = NeededBytes.of(
                checkpoint.layout(), engine.hello().share(), engine.hello().wholeTensors());
        var sliced = context.store().sliceDigests(checkpoint, engine.hello().share(), order.holders());
        var differing = new TreeSet<Integer>();
        var batch = new Batch(live, checkpoint);
        var tensors = checkpoint.layout().tensors();
        for (int tensor = 0; tensor < tensors.size(); tensor++) {
            if (needed.wants(tensor) && sliced.slice(tensor) == null) {
                differing.addAll(batch.add(tensor));
            }
        }
        differing.addAll(batch.flush());
        var slices = new SliceComparison(live, sliced, MOST_PARTS);
        for (int tensor = 0; tensor < tensors.size(); tensor++) {
            var slice = sliced.slice(tensor);
            if (slice != null) {
                slices.add(tensor, tensors.get(tensor), slice);
            }
        }
        differing.addAll(slices.differing());
        var mismatched = differing.stream()
                .limit(MOST_NAMES)
                .map(tensor -> tensors.get(tensor).name())
                .toList();
        return new WorkerEvent.Verified(
                context.worker(),
                order.verifyId(),
                status.engine(),
                status.version(),
                needed.tensors(),
                mismatched,
                differing.size(),
                null);
    }

    /** Tensors dumped together; a tensor larger than the slot goes through it in several pieces. */
    private static final class Batch {
        private final LiveBytes live;
        private final StoredCheckpoint checkpoint;
        private final List<DumpPart> parts = new ArrayList<>();
        private final List<Integer> tensors = new ArrayList<>();
        private long used;

        Batch(LiveBytes live, StoredCheckpoint checkpoint) {
            this.live = live;
            this.checkpoint = checkpoint;
        }

        /** @return tensors found to differ */
        List<Integer> add(int tensor) throws InterruptedException {
            var spec = checkpoint.layout().tensors().get(tensor);
            var differing = new ArrayList<Integer>();
            if (used + spec.bytes() > live.slotBytes() || parts.size() == MOST_PARTS) {
                differing.addAll(flush());
            }
            if (spec.bytes() > live.slotBytes()) {
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
                live.dump(parts);
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
            for (long begin = 0; begin < spec.bytes(); begin += live.slotBytes()) {
                var part = new DumpPart(spec.name(), 0, Math.min(live.slotBytes(), spec.bytes() - begin), begin);
                live.dump(List.of(part));
                blocks.addAll(blocks(part));
            }
            return TensorDigest.ofBlocks(blocks);
        }

        private List<TensorDigest> blocks(DumpPart part) {
            var digests = new ArrayList<TensorDigest>();
            for (long at = 0; at < part.bytes(); at += BLOCK) {
                digests.add(live.digest(part.offset() + at, Math.min(BLOCK, part.bytes() - at)));
            }
            return digests;
        }
    }
}
