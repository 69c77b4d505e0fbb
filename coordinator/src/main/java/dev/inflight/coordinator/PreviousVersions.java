package dev.inflight.coordinator;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetHost;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.LeaseId;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/** What becomes of the shards of versions that engines had, which the ledger keeps to go back to. */
record PreviousVersions(KeepPrevious keep, VersionLedger ledger, Operations operations) {

    /** Digests of what hosts may free the memory of for a publish, those of a model oldest first. */
    List<String> spare(Fleet fleet) {
        return keep == KeepPrevious.AUTO ? former(fleet) : List.of();
    }

    /** Has every host free what is not to be kept. */
    void unload(Fleet fleet) {
        if (keep != KeepPrevious.NEVER) {
            return;
        }
        for (String digest : former(fleet)) {
            fleet.hosts().values().stream()
                    .filter(host -> holds(host, digest))
                    .forEach(host -> host.ref().tell(new HostStoreCommand.Unload(digest)));
        }
    }

    private static boolean holds(FleetHost host, String digest) {
        return host.held().stream().anyMatch(held -> held.checkpoint().digest().equals(digest));
    }

    /** Of versions that no engine has any more; not if another version has the same bytes or an operation needs them. */
    private List<String> former(Fleet fleet) {
        List<CheckpointRef> former = ledger.former(fleet);
        Set<String> needed = ledger.published().stream()
                .filter(checkpoint -> !former.contains(checkpoint))
                .map(CheckpointRef::digest)
                .collect(Collectors.toSet());
        needed.addAll(operations.digests());
        return former.stream()
                // What a trainer wrote into an arena has no files to come back from.
                .filter(checkpoint -> LeaseId.ofSource(checkpoint.source()) == null)
                .map(CheckpointRef::digest)
                .filter(digest -> !needed.contains(digest))
                .distinct()
                .toList();
    }
}
