package dev.inflight.coordinator.update;

import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Multicast;
import dev.inflight.protocol.plan.Place;
import java.util.Collection;
import java.util.HashSet;
import java.util.Set;

/**
 * To how many other machines an owner of an update sends each byte, which with multicast leaves it once. A pure function
 * of membership and places.
 *
 * @param machines most other machines that one owner sends to
 * @param group the multicast group that all hosts share; empty if they do not
 */
record CastReach(int machines, String group) {
    /** Where a host is. */
    interface Places {
        Place of(String host);
    }

    /** @param owners ids of the workers that own buckets */
    static CastReach of(Membership membership, Collection<String> owners, Places places) {
        Set<String> groups = new HashSet<>();
        membership.hosts().forEach(host -> groups.add(places.of(host.name()).multicast()));
        int most = 0;
        for (Membership.Worker owner : membership.workers()) {
            if (owners.contains(owner.id())) {
                most = Math.max(most, others(membership, machine(membership, owner, places), places));
            }
        }
        return new CastReach(most, groups.size() == 1 ? groups.iterator().next() : "");
    }

    private static int others(Membership membership, String machine, Places places) {
        Set<String> machines = new HashSet<>();
        for (Membership.Worker worker : membership.workers()) {
            if (worker.receives()) {
                machines.add(machine(membership, worker, places));
            }
        }
        machines.remove(machine);
        return machines.size();
    }

    /** A host that does not say is a machine of its own. */
    private static String machine(Membership membership, Membership.Worker worker, Places places) {
        String host = membership.hosts().get(worker.host()).name();
        String machine = places.of(host).machine();
        return machine.isEmpty() ? "host " + host : machine;
    }

    boolean pays() {
        return !group.isEmpty() && machines >= Multicast.LEAST_MACHINES;
    }

    /** For people. */
    String reason() {
        return "an owner sends to " + machines + " other machines, and all hosts are in multicast group " + group;
    }
}
