package dev.inflight.protocol.cluster;

import java.util.Locale;

/** How the bytes of an update come to the engines that take it. */
public enum Strategy {
    /** Every member that holds shards sends them to every member that receives. */
    BROADCAST,
    /**
     * The only member receives, and its host takes the shards that it misses from hosts that hold them. No worker of
     * theirs takes part.
     */
    P2P,
    /**
     * Nothing is sent: every member's engine takes back what stands by in it, see {@link Standby}. All members receive,
     * in shadow mode, and there are neither slots nor a plan.
     */
    STANDBY;

    /** The name used in results and documents. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
