package dev.inflight.protocol.plan;

/** How far apart two hosts are, the nearest first. */
enum Distance {
    /** They see the same shared memory. */
    MACHINE,
    RACK,
    ZONE,
    FAR;

    static Distance between(Place one, Place other) {
        if (one.sharesMachine(other)) {
            return MACHINE;
        }
        boolean oneZone = one.zone().equals(other.zone());
        if (oneZone && said(one.rack(), other.rack())) {
            return RACK;
        }
        return said(one.zone(), other.zone()) ? ZONE : FAR;
    }

    private static boolean said(String one, String other) {
        return !one.isEmpty() && one.equals(other);
    }
}
