package dev.inflight.coordinator.ledger;

import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;

/** What is answered where no majority of the replicas has confirmed in time that it has an entry. */
public final class Doubt {
    private Doubt() {}

    /** @param now what the coordinator knows of the operation, and the ledger perhaps not */
    public static Refused of(Operation now) {
        return new Refused(
                Refused.Code.UNAVAILABLE,
                now.kind() + " " + now.id() + " is " + now.phase() + ", but no majority of the coordinator nodes has"
                        + " confirmed in time that this is on disk, and a coordinator that takes over may not know it;"
                        + " say it again");
    }
}
