package dev.inflight.protocol.cluster;

/** How the bytes of an update come to the engines that take it. */
public enum Strategy {
    /** Every member that holds shards sends them to every member that receives. */
    BROADCAST,
    /**
     * The only member receives, and its host takes the shards that it misses from hosts that hold them. No worker of
     * theirs takes part.
     */
    P2P;

    /** The name used in results and documents. */
    public String label() {
        return this == BROADCAST ? "broadcast" : "p2p";
    }
}
