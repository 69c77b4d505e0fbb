package dev.inflight.protocol.plan;

import java.util.List;

/** The slices that one owner holds, in layout order. */
public record Shard(int index, List<Slice> slices) {
    public Shard {
        slices = List.copyOf(slices);
    }

    /** Sum of the slices' sizes in bytes. */
    public long bytes() {
        return slices.stream().mapToLong(Slice::bytes).sum();
    }
}
