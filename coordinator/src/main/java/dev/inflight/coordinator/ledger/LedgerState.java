package dev.inflight.coordinator.ledger;

import dev.inflight.coordinator.ledger.LedgerEntry.CanaryMoved;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationEnded;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.ledger.LedgerEntry.Published;
import dev.inflight.coordinator.ledger.LedgerEntry.ReplicasChanged;
import dev.inflight.coordinator.ledger.LedgerEntry.UpdateQueued;
import dev.inflight.coordinator.ledger.LedgerEntry.VersionDropped;
import dev.inflight.protocol.cluster.CheckpointRef;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What follows from a ledger's entries.
 *
 * @param published versions of all models, in the order in which they were published
 * @param dropped versions that were published once
 * @param ended operations, oldest first
 * @param unfinished operations that began and did not end
 * @param queued updates that wait for their turn, in the order in which they came
 * @param canaries where canaries among these are, by operation
 */
public record LedgerState(
        List<CheckpointRef> published,
        List<VersionDropped> dropped,
        List<OperationEnded> ended,
        List<OperationStarted> unfinished,
        List<UpdateQueued> queued,
        Map<String, CanaryMoved> canaries) {
    private record Name(String model, String version) {}

    public static LedgerState of(List<LedgerRecord> records) {
        Map<Name, CheckpointRef> published = new LinkedHashMap<>();
        Map<Name, VersionDropped> dropped = new LinkedHashMap<>();
        List<OperationEnded> ended = new ArrayList<>();
        Map<String, OperationStarted> unfinished = new LinkedHashMap<>();
        Map<String, UpdateQueued> queued = new LinkedHashMap<>();
        Map<String, CanaryMoved> canaries = new HashMap<>();
        for (LedgerRecord record : records) {
            switch (record.entry()) {
                case ReplicasChanged changed -> {}
                case Published publish -> {
                    CheckpointRef checkpoint = publish.checkpoint();
                    Name name = new Name(checkpoint.model(), checkpoint.version());
                    published.putIfAbsent(name, checkpoint);
                    dropped.remove(name);
                }
                case VersionDropped drop -> {
                    Name name = new Name(drop.model(), drop.version());
                    published.remove(name);
                    dropped.put(name, drop);
                }
                case UpdateQueued update -> queued.put(update.id(), update);
                case OperationStarted started -> {
                    queued.remove(started.id());
                    unfinished.put(started.id(), started);
                }
                case OperationEnded end -> {
                    queued.remove(end.operation().id());
                    unfinished.remove(end.operation().id());
                    canaries.remove(end.operation().id());
                    ended.add(end);
                }
                case CanaryMoved moved -> canaries.put(moved.operation(), moved);
            }
        }
        return new LedgerState(
                List.copyOf(published.values()),
                List.copyOf(dropped.values()),
                List.copyOf(ended),
                List.copyOf(unfinished.values()),
                List.copyOf(queued.values()),
                Map.copyOf(canaries));
    }
}
