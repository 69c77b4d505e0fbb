package dev.inflight.protocol.plan;

import com.fasterxml.jackson.annotation.JsonFormat;

/**
 * Where a host is, as far as anyone said so: what says nothing is empty.
 *
 * @param machine identity of the shared memory that the host's processes see and may map; empty if it is not to be
 *     mapped by others
 * @param rack label of the rack
 * @param zone label of the zone
 * @param multicast multicast group and port that buckets can be cast to it by
 */
@JsonFormat(shape = JsonFormat.Shape.ARRAY)
public record Place(String machine, String rack, String zone, String multicast) {
    /** Nothing is known. */
    public static final Place UNKNOWN = new Place("", "", "", "");

    /** Without multicast. */
    public Place(String machine, String rack, String zone) {
        this(machine, rack, zone, "");
    }

    /** Whether two hosts see the same shared memory, as far as both said. */
    public boolean sharesMachine(Place other) {
        return !machine.isEmpty() && machine.equals(other.machine);
    }
}
