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
import java.util.TreeSet;

/** Compares an engine's slices of tensors with what they must be, block by block of the whole tensor. */
final class SliceComparison {
    private static final long BLOCK = BlockHasher.BLOCK_BYTES;

    private final LiveBytes live;
    private final SliceDigests expected;
    private final int mostParts;
    private final List<DumpPart> parts = new ArrayList<>();
    private final List<Check> checks = new ArrayList<>();
    private final SortedSet<Integer> differing = new TreeSet<>();
    private long used;

    /** What a range of the slot must be once it is filled. */
    private record Check(int tensor, long offset, long bytes, TensorDigest digest) {}

    SliceComparison(LiveBytes live, SliceDigests expected, int mostParts) {
        this.live = live;
        this.expected = expected;
        this.mostParts = mostParts;
    }

    /** Compares a slice now or with those that come after it. Its blocks are neighbours in the engine. */
    void add(int tensor, TensorSpec spec, TensorSlice slice) throws InterruptedException {
        long begin = 0;
        long offset = startPart();
        for (long from = 0; from < spec.bytes(); from += BLOCK) {
            long local = slice.local(from);
            long bytes = slice.local(Math.min(from + BLOCK, spec.bytes())) - local;
            if (bytes == 0) {
                continue;
            }
            if (offset + local - begin + bytes > live.slotBytes()) {
                endPart(spec, offset, begin, local);
                flush();
                begin = local;
                offset = 0;
            }
            checks.add(new Check(tensor, offset + local - begin, bytes, expected.digest(tensor, from)));
        }
        endPart(spec, offset, begin, slice.bytes());
    }

    /** The tensors that differ, ascending. */
    SortedSet<Integer> differing() throws InterruptedException {
        flush();
        return differing;
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

    private void flush() throws InterruptedException {
        if (!parts.isEmpty()) {
            live.dump(parts);
            for (var check : checks) {
                if (!live.digest(check.offset(), check.bytes()).equals(check.digest())) {
                    differing.add(check.tensor());
                }
            }
        }
        parts.clear();
        checks.clear();
        used = 0;
    }
}
