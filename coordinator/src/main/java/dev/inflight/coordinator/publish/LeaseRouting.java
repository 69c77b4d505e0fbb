package dev.inflight.coordinator.publish;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetHost;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.LeaseCommand;
import dev.inflight.protocol.cluster.LeaseId;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.OperationReply.Refused.Code;
import org.jspecify.annotations.Nullable;

/**
 * Passes what trainers ask about lent arenas on to the hosts that lend them. Nothing of it is kept here, so leases
 * outlive the coordinator.
 */
public final class LeaseRouting {
    private LeaseRouting() {}

    /** The host answers the asker, unless there is none. */
    public static void pass(LeaseCommand command, Fleet fleet) {
        switch (command) {
            case HostStoreCommand.Lend lend -> pass(lend, lend, lender(lend, fleet), refusal(lend));
            case HostStoreCommand.GetLease get -> pass(get, get, holder(get.lease(), fleet), unknown(get.lease()));
            case HostStoreCommand.GiveBack back -> pass(back, back, holder(back.lease(), fleet), unknown(back.lease()));
        }
    }

    private static void pass(
            LeaseCommand asked, HostStoreCommand command, @Nullable FleetHost host, Refused otherwise) {
        if (host == null) {
            asked.replyTo().tell(otherwise);
        } else {
            host.ref().tell(command);
        }
    }

    private static @Nullable FleetHost lender(HostStoreCommand.Lend lend, Fleet fleet) {
        if (lend.host() != null) {
            return fleet.hosts().get(lend.host());
        }
        return fleet.hosts().values().stream()
                .filter(host -> !host.leaving())
                .filter(host -> !host.place().machine().isEmpty()
                        && host.place().machine().equals(lend.machine()))
                .findFirst()
                .orElse(null);
    }

    private static Refused refusal(HostStoreCommand.Lend lend) {
        if (lend.host() != null) {
            return new Refused(Code.NOT_FOUND, "host: no live worker host is named " + lend.host());
        }
        return lend.machine() == null
                ? new Refused(Code.INVALID, "machine: is missing, and so is host")
                : new Refused(Code.NOT_FOUND, "machine: no live worker host shares the memory of " + lend.machine());
    }

    private static @Nullable FleetHost holder(String lease, Fleet fleet) {
        LeaseId id = LeaseId.parse(lease);
        return id == null ? null : fleet.hosts().get(id.host());
    }

    private static Refused unknown(String lease) {
        return new Refused(Code.NOT_FOUND, "lease: no live worker host has lent an arena as " + lease);
    }
}
