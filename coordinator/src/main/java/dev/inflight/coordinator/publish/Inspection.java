package dev.inflight.coordinator.publish;

import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.HostStoreEvent.InspectRefused;
import dev.inflight.protocol.cluster.HostStoreEvent.Inspected;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.OperationReply.Refused.Code;
import java.util.Collection;
import java.util.HashSet;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** Gathers what the hosts see at a source and judges whether it can be published. Decisions only. */
final class Inspection {
    private final String source;
    private final Set<String> waitingFor;
    private final SortedMap<String, Inspected> seen = new TreeMap<>();
    private final SortedMap<String, String> notFound = new TreeMap<>();
    private final SortedMap<String, String> invalid = new TreeMap<>();

    Inspection(String source, Collection<String> hosts) {
        this.source = source;
        this.waitingFor = new HashSet<>(hosts);
    }

    void on(Inspected inspected) {
        if (waitingFor.remove(inspected.host())) {
            seen.put(inspected.host(), inspected);
        }
    }

    void on(InspectRefused refused) {
        if (waitingFor.remove(refused.host())) {
            (refused.reason() == InspectRefused.Reason.INVALID ? invalid : notFound)
                    .put(refused.host(), refused.message());
        }
    }

    /** A host is gone: what it saw no longer helps. */
    void lost(String host) {
        waitingFor.remove(host);
        seen.remove(host);
    }

    /** Whether nothing more needs to be waited for. */
    boolean complete() {
        return waitingFor.isEmpty() || !invalid.isEmpty();
    }

    Set<String> waitingFor() {
        return new TreeSet<>(waitingFor);
    }

    /** What each host that can load says, by name. */
    SortedMap<String, Inspected> seen() {
        return seen;
    }

    /** Why it can not be published; null if it can. */
    @Nullable
    Refused refusal() {
        if (!invalid.isEmpty()) {
            return new Refused(Code.INVALID, invalid.firstEntry().getValue() + " (host " + invalid.firstKey() + ")");
        }
        if (seen.isEmpty()) {
            return notFound.isEmpty()
                    ? new Refused(Code.UNAVAILABLE, "no host answered what it sees at " + source)
                    : new Refused(Code.NOT_FOUND, "no host sees " + source + ": " + notFound);
        }
        Inspected first = seen.firstEntry().getValue();
        for (Inspected other : seen.values()) {
            if (!other.layoutDigest().equals(first.layoutDigest())) {
                return new Refused(
                        Code.INVALID,
                        "hosts see different checkpoints at " + source + ": layout " + first.layoutDigest() + " on "
                                + first.host() + ", " + other.layoutDigest() + " on " + other.host());
            }
        }
        return null;
    }

    /** Whether the headers alone show that these are other bytes than those published before. */
    boolean differsFrom(CheckpointRef known) {
        Inspected first = seen.firstEntry().getValue();
        return first.bytes() != known.bytes()
                || first.tensors() != known.tensors()
                || first.largestTensorBytes() != known.largestTensorBytes();
    }

    /** Whether all of these hosts map the files where they are. */
    boolean inPlace(Collection<String> hosts) {
        return seen.values().stream()
                .filter(inspected -> hosts.contains(inspected.host()))
                .allMatch(Inspected::inPlace);
    }
}
