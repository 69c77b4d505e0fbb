package dev.inflight.worker.verify;

import dev.inflight.protocol.checkpoint.BlockHasher;
import dev.inflight.protocol.checkpoint.TensorDigest;
import dev.inflight.protocol.link.DumpPart;
import dev.inflight.worker.store.StoredCheckpoint;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;
import java.util.function.LongConsumer;

/**
 * Compares tensors that an engine holds whole with the manifest. Small ones are dumped together; one that is larger than
 * a slot goes through slots in several pieces.
 */
final class WholeTensors {
    private static final long BLOCK = BlockHasher.BLOCK_BYTES;

    private final EngineBytes bytes;
    private final StoredCheckpoint checkpoint;
    private final int mostParts;
    private final SortedSet<Integer> differing;
    private final LongConsumer compared;
    private List<DumpPart> parts = new ArrayList<>();
    private List<Integer> tensors = new ArrayList<>();
    private long used;

    /**
     * @param mostParts in one dump
     * @param differing given the tensors that differ
     * @param compared told how many more bytes were compared
     */
    WholeTensors(
            EngineBytes bytes,
            StoredCheckpoint checkpoint,
            int mostParts,
            SortedSet<Integer> differing,
            LongConsumer compared) {
        this.bytes = bytes;
        this.checkpoint = checkpoint;
        this.mostParts = mostParts;
        this.differing = differing;
        this.compared = compared;
    }

    /** Compares a tensor now or with those that come after it. */
    void add(int tensor) throws InterruptedException {
        var spec = checkpoint.layout().tensors().get(tensor);
        if (used + spec.bytes() > bytes.slotBytes() || parts.size() == mostParts) {
            flush();
        }
        if (spec.bytes() > bytes.slotBytes()) {
            inPieces(tensor, spec.name(), spec.bytes());
            return;
        }
        parts.add(new DumpPart(spec.name(), used, spec.bytes(), 0));
        tensors.add(tensor);
        used = Math.ceilDiv(used + spec.bytes(), 256L) * 256L;
    }

    /** Asks for what has not been asked for yet. */
    void flush() throws InterruptedException {
        if (!parts.isEmpty()) {
            var dumped = parts;
            var which = tensors;
            bytes.dump(dumped, slot -> {
                for (int i = 0; i < dumped.size(); i++) {
                    compare(which.get(i), TensorDigest.ofBlocks(blocks(slot, dumped.get(i))));
                    compared.accept(dumped.get(i).bytes());
                }
            });
        }
        parts = new ArrayList<>();
        tensors = new ArrayList<>();
        used = 0;
    }

    private void inPieces(int tensor, String name, long length) throws InterruptedException {
        var digests = new ArrayList<TensorDigest>();
        for (long begin = 0; begin < length; begin += bytes.slotBytes()) {
            var part = new DumpPart(name, 0, Math.min(bytes.slotBytes(), length - begin), begin);
            boolean last = begin + part.bytes() == length;
            bytes.dump(List.of(part), slot -> {
                digests.addAll(blocks(slot, part));
                compared.accept(part.bytes());
                if (last) {
                    compare(tensor, TensorDigest.ofBlocks(digests));
                }
            });
        }
    }

    private void compare(int tensor, TensorDigest digest) {
        if (!digest.equals(checkpoint.manifest().digests().get(tensor))) {
            differing.add(tensor);
        }
    }

    private static List<TensorDigest> blocks(MemorySegment slot, DumpPart part) {
        var digests = new ArrayList<TensorDigest>();
        for (long at = 0; at < part.bytes(); at += BLOCK) {
            digests.add(EngineBytes.digest(slot, part.offset() + at, Math.min(BLOCK, part.bytes() - at)));
        }
        return digests;
    }
}
