package dev.inflight.worker.verify;

import dev.inflight.protocol.link.NeededBytes;
import dev.inflight.protocol.link.SliceException;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.worker.link.EngineSession;
import dev.inflight.worker.store.StoredCheckpoint;
import dev.inflight.worker.update.UpdateContext;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.function.LongConsumer;

/**
 * Has an engine copy its tensors into slots, piece by piece, and compares their digests with the manifest's. Of tensors
 * that an engine has slices of, it compares each block's part with what the block's holder computes. Blocks; for any
 * thread but an actor's.
 */
final class EngineComparison {
    private static final int MOST_PARTS = 4096;

    /**
     * @param tensors how many the engine wants, all of which were compared
     * @param differing indexes of those that differ
     */
    record Compared(long tensors, SortedSet<Integer> differing) {}

    private final UpdateContext context;
    private final EngineSession engine;

    EngineComparison(UpdateContext context, EngineSession engine) {
        this.context = context;
        this.engine = engine;
    }

    /**
     * Compares all tensors that the engine wants.
     *
     * @param holders who holds the blocks of slices
     * @param bytes the engine's live tensors or its staged ones
     * @param compared told how many more bytes were compared
     * @throws SliceException naming a tensor that can not be cut
     * @throws RuntimeException if the engine or a holder does not give what is asked for
     */
    Compared compare(StoredCheckpoint checkpoint, Membership holders, EngineBytes bytes, LongConsumer compared)
            throws SliceException, InterruptedException {
        var needed = NeededBytes.of(
                checkpoint.layout(), engine.hello().share(), engine.hello().wholeTensors());
        var sliced = context.store().sliceDigests(checkpoint, engine.hello().share(), holders);
        var differing = new TreeSet<Integer>();
        var tensors = checkpoint.layout().tensors();
        var whole = new WholeTensors(bytes, checkpoint, MOST_PARTS, differing, compared);
        for (int tensor = 0; tensor < tensors.size(); tensor++) {
            if (needed.wants(tensor) && sliced.slice(tensor) == null) {
                whole.add(tensor);
            }
        }
        whole.flush();
        var slices = new SliceComparison(bytes, sliced, MOST_PARTS, differing, compared);
        for (int tensor = 0; tensor < tensors.size(); tensor++) {
            var slice = sliced.slice(tensor);
            if (slice != null) {
                slices.add(tensor, tensors.get(tensor), slice);
            }
        }
        slices.flush();
        bytes.finish();
        return new Compared(needed.tensors(), differing);
    }
}
