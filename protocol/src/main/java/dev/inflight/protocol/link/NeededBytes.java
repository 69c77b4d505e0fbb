package dev.inflight.protocol.link;

import dev.inflight.protocol.checkpoint.BlockHasher;
import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.checkpoint.TensorSpec;
import dev.inflight.protocol.plan.Bucket;
import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.Placement;
import dev.inflight.protocol.plan.Shard;
import dev.inflight.protocol.plan.Slice;
import dev.inflight.protocol.plan.UpdatePlan;
import java.util.ArrayList;
import java.util.List;

/**
 * Which bytes of a checkpoint one engine must be sent, in whole blocks of 1 MiB counted from each tensor's start, so that
 * what comes can be checked. Of a tensor that it wants that is one range: the blocks that hold its slice if the slice is
 * in one piece, as along the outermost dimension; otherwise all of the tensor. Immutable.
 */
public final class NeededBytes {
    private static final long BLOCK = BlockHasher.BLOCK_BYTES;
    private static final long UNWANTED = -1;

    private final long[] begins;
    private final long[] ends;
    private final long tensors;
    private final long heldBytes;

    /** Whether every byte is needed: then nothing need be looked at piece by piece. */
    private final boolean everything;

    private NeededBytes(long[] begins, long[] ends, long tensors, long heldBytes, boolean everything) {
        this.begins = begins;
        this.ends = ends;
        this.tensors = tensors;
        this.heldBytes = heldBytes;
        this.everything = everything;
    }

    /** Everything. */
    public static NeededBytes all(CheckpointLayout layout) {
        long[] ends = layout.tensors().stream().mapToLong(TensorSpec::bytes).toArray();
        return new NeededBytes(new long[ends.length], ends, ends.length, layout.bytes(), true);
    }

    /**
     * @param wholeTensors whether the engine takes a tensor only in one piece
     * @throws SliceException naming a tensor that can not be cut as the engine needs it
     */
    public static NeededBytes of(CheckpointLayout layout, EngineShare share, boolean wholeTensors)
            throws SliceException {
        int count = layout.tensors().size();
        long[] begins = new long[count];
        long[] ends = new long[count];
        long tensors = 0;
        long heldBytes = 0;
        boolean everything = true;
        for (int i = 0; i < count; i++) {
            TensorSpec tensor = layout.tensors().get(i);
            if (!share.wants(tensor.name())) {
                begins[i] = UNWANTED;
                ends[i] = UNWANTED;
                everything = false;
                continue;
            }
            TensorSlice slice = share.slice(tensor.name(), tensor.dtype(), tensor.shape());
            boolean whole = wholeTensors || slice.rows() != 1;
            begins[i] = whole ? 0 : slice.begin() / BLOCK * BLOCK;
            ends[i] = whole
                    ? tensor.bytes()
                    : Math.min(tensor.bytes(), Math.ceilDiv(slice.begin() + slice.length(), BLOCK) * BLOCK);
            everything &= ends[i] - begins[i] == tensor.bytes();
            tensors++;
            heldBytes += slice.bytes();
        }
        return new NeededBytes(begins, ends, tensors, heldBytes, everything);
    }

    /** Whether the engine wants a tensor. */
    public boolean wants(int tensor) {
        return begins[tensor] != UNWANTED;
    }

    /** How many tensors the engine wants. */
    public long tensors() {
        return tensors;
    }

    /** Bytes that the engine holds in the end: those of its slices, or whole tensors, of what it wants. */
    public long heldBytes() {
        return heldBytes;
    }

    /** Whether anything of a shard is needed; also so if it has no slices at all, since nothing of it is missing then. */
    public boolean needs(Shard shard) {
        return shard.slices().isEmpty() || shard.slices().stream().anyMatch(this::needs);
    }

    private boolean needs(Slice slice) {
        return wants(slice.tensor()) && (slice.bytes() == 0 || begin(slice) < end(slice));
    }

    private long begin(Slice slice) {
        return Math.max(slice.begin(), begins[slice.tensor()]);
    }

    private long end(Slice slice) {
        return Math.min(slice.end(), ends[slice.tensor()]);
    }

    /**
     * What is needed of a run of whole blocks; empty if nothing. Tensors without a byte are needed, too.
     *
     * @param placed the run and where it lies
     */
    private List<Placement> of(Placement placed) {
        Slice slice = placed.slice();
        if (!needs(slice)) {
            return List.of();
        }
        if (slice.bytes() == 0) {
            return List.of(placed);
        }
        Slice needed = new Slice(slice.tensor(), begin(slice), end(slice));
        return List.of(new Placement(needed, placed.offset() + needed.begin() - slice.begin()));
    }

    /** What is needed of a bucket, where it lies in it. */
    public List<Placement> of(Bucket bucket) {
        if (everything) {
            return bucket.placements();
        }
        List<Placement> needed = new ArrayList<>(bucket.placements().size());
        for (Placement placed : bucket.placements()) {
            needed.addAll(of(placed));
        }
        return needed;
    }

    /** The plan with what is needed of its buckets, each where it was; buckets of which nothing is needed are gone. */
    public UpdatePlan of(UpdatePlan plan) {
        if (everything) {
            return plan;
        }
        List<Bucket> buckets = new ArrayList<>();
        for (Bucket bucket : plan.buckets()) {
            List<Placement> needed = of(bucket);
            if (!needed.isEmpty()) {
                buckets.add(new Bucket(buckets.size(), bucket.round(), bucket.owner(), needed, bucket.bytes()));
            }
        }
        return new UpdatePlan(plan.owners(), buckets, plan.rounds(), plan.slotBytes());
    }

    /** What is needed of a part of a shard: runs of blocks that are neighbours there, each a part of its own, in order. */
    public List<Part> of(Part part) {
        if (everything) {
            return List.of(part);
        }
        List<Part> needed = new ArrayList<>();
        List<Placement> run = new ArrayList<>();
        boolean touching = false;
        for (Placement placed : part.placements()) {
            boolean toTheEnd = false;
            for (Placement wanted : of(placed)) {
                if (!touching || wanted.offset() != placed.offset()) {
                    finish(part, run, needed);
                }
                run.add(wanted);
                toTheEnd = wanted.slice().end() == placed.slice().end();
            }
            touching = toTheEnd;
        }
        finish(part, run, needed);
        return needed;
    }

    private static void finish(Part of, List<Placement> run, List<Part> done) {
        if (run.isEmpty()) {
            return;
        }
        long begin = run.getFirst().offset();
        Placement last = run.getLast();
        List<Placement> placements = run.stream()
                .map(placed -> new Placement(placed.slice(), placed.offset() - begin))
                .toList();
        long bytes = last.offset() + last.slice().bytes() - begin;
        done.add(new Part(of.shard(), of.index(), of.offset() + begin, bytes, placements));
        run.clear();
    }
}
