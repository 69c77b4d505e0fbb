package dev.inflight.protocol.plan;

/** When casting bytes to many machines at once pays. */
public final class Multicast {
    /** To fewer other machines, TCP's speed on one link is worth more than what multicast saves. */
    public static final int LEAST_MACHINES = 3;

    private Multicast() {}
}
