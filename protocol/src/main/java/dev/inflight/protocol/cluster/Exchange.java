package dev.inflight.protocol.cluster;

import java.util.Locale;

/** How the buckets of an update come from the workers that own them to the others. All members use the same. */
public enum Exchange {
    /** Each receiver asks each owner: mapped, copied from another GPU of its process, or over TCP. */
    TRANSFERS,
    /** Every bucket is an NCCL broadcast in which every member takes part. */
    NCCL;

    /** The name that people read and write, such as {@code transfers}. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
