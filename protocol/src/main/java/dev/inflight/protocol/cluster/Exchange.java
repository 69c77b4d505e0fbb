package dev.inflight.protocol.cluster;

import java.util.Locale;

/** How the buckets of an update come from the workers that own them to the others. All members use the same. */
public enum Exchange {
    /** Each receiver asks each owner: mapped, copied from another GPU of its process, or over TCP. */
    TRANSFERS,
    /** Every bucket is an NCCL broadcast in which every member takes part. */
    NCCL,
    /**
     * Each owner casts its buckets once to all receivers on other machines over UDP, by Aeron; on one machine as in
     * {@link #TRANSFERS}, and so is what a cast does not bring.
     */
    AERON;

    /** The name that people read and write, such as {@code transfers}. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
