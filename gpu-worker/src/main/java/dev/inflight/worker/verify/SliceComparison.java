package dev.inflight.worker.verify;

import dev.inflight.protocol.checkpoint.BlockHasher;
import dev.inflight.protocol.checkpoint.TensorDigest;
import dev.inflight.protocol.checkpoint.TensorSpec;
import dev.inflight.protocol.link.DumpPart;
import dev.inflight.protocol.link.TensorSlice;
import dev.inflight.worker.store.SliceDigests;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;
import java.util.function.LongConsumer;

/** Compares an engine's slices of tensors with what they must be, block by block of the whole tensor. */
final class SliceComparison {
    private static final long BLOCK = BlockHasher.BLOCK_BYTES;

    private final EngineBytes bytes;
    private final SliceDigests expected;
    private final int mostParts;
    private final SortedSet<Integer> differing;
    private final LongConsumer compared;
    private List<DumpPart> parts = new ArrayList<>();
    private List<Check> checks = new ArrayList<>();
    private long used;

    /** What a range of the slot must be once it is filled. */
    private record Check(int tensor, long offset, long bytes, TensorDigest digest) {}

    /**
     * @param mostParts in one dump
     * @param differing given the tensors that differ
     * @param compared told how many more bytes were compared
     */
    SliceComparison(
            EngineBytes bytes,
            SliceDigests expected,
            int mostParts,
            SortedSet<Integer> differing,
            LongConsumer compared) {
        this.bytes = bytes;
        this.expected = expected;
        this.mostParts = mostParts;
        this.differing = differing;
        this.compared = compared;
    }

    /** Compares a slice now or with those that come after it. Its blocks are neighbours in the engine. */
    void add(int tensor, TensorSpec spec, TensorSlice slice) throws InterruptedException {
        long begin = 0;
        long offset = startPart();
        for (long from = 0; from < spec.bytes(); from += BLOCK) {
            long local = slice.local(from);
            long length = slice.local(Math.min(from + BLOCK, spec.bytes())) - local;
            if (length == 0) {
                continue;
            }
            if (offset + local - begin + length > bytes.slotBytes()) {
                endPart(spec, offset, begin, local);
                flush();
                begin = local;
                offset = 0;
            }
            checks.add(new Check(tensor, offset + local - begin, length, expected.digest(tensor, from)));
        }
        endPart(spec, offset, begin, slice.bytes());
    }

    private long startPart() throws InterruptedException {
        if (parts.size() == mostParts) {
            flush();
        }
        return used;
    }

    private void endPart(TensorSpec spec, long offset, long begin, long end) {
        if (end > begin) {
            parts.add(new DumpPart(spec.name(), offset, end - begin, begin));
            used = Math.ceilDiv(offset + end - begin, 256L) * 256L;
        }
    }

    /** Asks for what has not been asked for yet. */
    void flush() throws InterruptedException {
        if (!parts.isEmpty()) {
            var wanted = checks;
            bytes.dump(parts, slot -> {
                for (var check : wanted) {
                    if (!EngineBytes.digest(slot, check.offset(), check.bytes()).equals(check.digest())) {
                        differing.add(check.tensor());
                    }
                    compared.accept(check.bytes());
                }
            });
        }
        parts = new ArrayList<>();
        checks = new ArrayList<>();
        used = 0;
    }
}
