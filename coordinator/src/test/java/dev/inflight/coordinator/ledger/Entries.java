package dev.inflight.coordinator.ledger;

import dev.inflight.coordinator.ledger.LedgerEntry.CanaryMoved;
import dev.inflight.coordinator.ledger.LedgerEntry.CanaryPhase;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationEnded;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.ledger.LedgerEntry.Published;
import dev.inflight.protocol.cluster.Canary;
import dev.inflight.protocol.cluster.CheckpointRef;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** Ledger entries to test with. */
final class Entries {
    private static final Instant AT = Instant.parse("2026-11-22T09:00:00.123Z");

    private Entries() {}

    static Published published(String version) {
        return new Published(
                "publish-" + version,
                new CheckpointRef("m", version, "digest-" + version, "/ckpt/ü/" + version, 2, 1 << 20, 3, 4096, 2048),
                "ann@host",
                AT);
    }

    static OperationStarted started(String id, String to, @Nullable String group) {
        return new OperationStarted(
                id, "update", "m", to, "digest-" + to, "ann@host", "key-" + id, "[]", null, "broadcast", group, AT);
    }

    static OperationEnded committed(String id, String to, @Nullable String group) {
        return new OperationEnded(
                started(id, to, group),
                "committed",
                true,
                null,
                Set.of(),
                0.5,
                4096,
                "shadow",
                "transfers",
                List.of(new LedgerEntry.EngineOutcome("e0", "w/0", "committed", 1.5)),
                group == null ? List.of() : List.of(group),
                "committed",
                1,
                1,
                null,
                "{\"outcome\":\"committed\"}",
                AT.plusSeconds(1));
    }

    static CanaryMoved moved(String canary, CanaryPhase phase) {
        return new CanaryMoved(
                canary,
                new Canary("10%", 30_000L, "http://h/health"),
                phase,
                new TreeSet<>(Set.of("w/0", "w/1")),
                new TreeMap<>(Map.of("w/0", 7L, "w/1", 8L)),
                "v1",
                AT,
                "http",
                "HTTP 500: \u00fc",
                AT.plusSeconds(2));
    }

    static LedgerRecord record(long sequence, LedgerEntry entry) {
        return new LedgerRecord(7, sequence, entry);
    }
}
