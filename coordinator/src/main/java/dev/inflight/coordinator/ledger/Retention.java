package dev.inflight.coordinator.ledger;

import dev.inflight.coordinator.ledger.LedgerEntry.CanaryMoved;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationEnded;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.ledger.LedgerEntry.Published;
import dev.inflight.coordinator.ledger.LedgerEntry.ReplicasChanged;
import dev.inflight.coordinator.ledger.LedgerEntry.UpdateQueued;
import dev.inflight.coordinator.ledger.LedgerEntry.VersionDropped;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Which records a ledger that has grown too long keeps: the newest, and older ones that still say what holds now. */
final class Retention {
    /** What an update brings is told apart by these. */
    private record Brought(String model, List<String> meant) {}

    private Retention() {}

    /** Whether it is time to shorten: not at every entry, since all of the file is then written anew. */
    static boolean isDue(int records, int keep) {
        return records > 2 * keep;
    }

    /** @param keep how many of the newest stay whatever they say */
    static List<LedgerRecord> retain(List<LedgerRecord> records, int keep) {
        Set<Position> needed = needed(records);
        int newest = records.size() - keep;
        List<LedgerRecord> kept = new ArrayList<>();
        for (int i = 0; i < records.size(); i++) {
            LedgerRecord record = records.get(i);
            if (i >= newest || needed.contains(record.position())) {
                kept.add(record);
            }
        }
        return kept;
    }

    private static Set<Position> needed(List<LedgerRecord> records) {
        Map<String, Position> versions = new HashMap<>();
        Map<String, Position> running = new HashMap<>();
        Map<String, Position> canaries = new HashMap<>();
        Map<Brought, Position> brought = new HashMap<>();
        Position replicas = Position.NONE;
        for (LedgerRecord record : records) {
            Position at = record.position();
            switch (record.entry()) {
                case ReplicasChanged changed -> replicas = at;
                case Published published ->
                    versions.put(
                            published.checkpoint().model() + "\n"
                                    + published.checkpoint().version(),
                            at);
                case VersionDropped dropped -> versions.remove(dropped.model() + "\n" + dropped.version());
                case UpdateQueued queued -> running.put(queued.id(), at);
                case OperationStarted started -> running.put(started.id(), at);
                case CanaryMoved moved -> canaries.put(moved.operation(), at);
                case OperationEnded ended -> {
                    running.remove(ended.operation().id());
                    canaries.remove(ended.operation().id());
                    List<String> meant = ended.meant();
                    if (meant != null) {
                        String model = ended.operation().model();
                        if (meant.isEmpty()) {
                            brought.keySet().removeIf(earlier -> earlier.model().equals(model));
                        }
                        brought.put(new Brought(model, meant), at);
                    }
                }
            }
        }
        Set<Position> needed = new HashSet<>(versions.values());
        needed.addAll(running.values());
        needed.addAll(canaries.values());
        needed.addAll(brought.values());
        needed.add(replicas);
        return needed;
    }
}
