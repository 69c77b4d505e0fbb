package dev.inflight.coordinator.ledger;

import com.fasterxml.jackson.annotation.JsonIgnore;
import dev.inflight.coordinator.ledger.LedgerEntry.CanaryMoved;
import dev.inflight.coordinator.ledger.LedgerEntry.EngineOutcome;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationEnded;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.ledger.LedgerEntry.Published;
import dev.inflight.coordinator.ledger.LedgerEntry.ReplicasChanged;
import dev.inflight.coordinator.ledger.LedgerEntry.UpdateQueued;
import dev.inflight.coordinator.ledger.LedgerEntry.VersionDropped;
import dev.inflight.coordinator.operation.CoordinatorQuery.GetHistory;
import dev.inflight.coordinator.operation.CoordinatorQuery.HistoryPage;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Past operations as the HTTP API shows them, newest first. */
final class History {
    /** Answers larger than this are cut into several, to fit Artery's frames. */
    private static final int MOST_CHARACTERS = 100_000;

    /**
     * One operation, or a version that was dropped.
     *
     * @param sequence its place in the ledger, which a following page begins before
     * @param outcome {@code queued} while it has not begun, {@code running} while it has not ended
     * @param detectedBy what decided about a canary; null for others
     */
    record Row(
            @JsonIgnore long sequence,
            @Nullable String operation,
            String kind,
            String model,
            @Nullable String from,
            @Nullable String to,
            @Nullable String digest,
            String outcome,
            Instant startedAt,
            @Nullable Instant endedAt,
            @Nullable Double seconds,
            @Nullable String requester,
            @Nullable String idempotencyKey,
            @Nullable String mode,
            @Nullable String strategy,
            @Nullable String group,
            @Nullable Long bytes,
            @Nullable String exchange,
            List<EngineOutcome> engines,
            @Nullable String reason,
            @Nullable String detectedBy) {}

    private History() {}

    /** The newest rows that a query asks for, as many as fit in an answer. */
    static HistoryPage page(List<LedgerRecord> records, GetHistory query) {
        List<String> rows = new ArrayList<>();
        Set<String> shown = new HashSet<>();
        int characters = 0;
        Long last = null;
        for (LedgerRecord record : records.reversed()) {
            Row row = row(record, shown);
            if (row == null || !wanted(row, query)) {
                continue;
            }
            String json = LedgerCodec.json(row);
            characters += json.length();
            if (rows.size() == query.limit() || (!rows.isEmpty() && characters > MOST_CHARACTERS)) {
                return new HistoryPage(rows, last);
            }
            rows.add(json);
            last = row.sequence();
        }
        return new HistoryPage(rows, null);
    }

    /** What became of an operation; null if the ledger does not have it. */
    static @Nullable Found operation(List<LedgerRecord> records, String id) {
        for (LedgerRecord record : records.reversed()) {
            Operation operation = operation(record.entry(), id);
            if (operation != null) {
                return new Found(operation, record.sequence());
            }
        }
        return null;
    }

    private static @Nullable Operation operation(LedgerEntry entry, String id) {
        if (entry instanceof OperationEnded end && end.operation().id().equals(id)) {
            return end.asOperation();
        }
        if (entry instanceof OperationStarted start && start.id().equals(id)) {
            return start.asOperation("running");
        }
        if (entry instanceof UpdateQueued queued && queued.id().equals(id)) {
            return queued.operation().asOperation("queued");
        }
        return null;
    }

    /**
     * An operation as the ledger has it.
     *
     * @param sequence of the record that says so
     */
    record Found(Operation operation, long sequence) {}

    private static boolean wanted(Row row, GetHistory query) {
        return (query.before() == null || row.sequence() < query.before())
                && (query.model() == null || query.model().equals(row.model()))
                && (query.sinceMillis() == null || row.startedAt().toEpochMilli() >= query.sinceMillis());
    }

    private static @Nullable Row row(LedgerRecord record, Set<String> shown) {
        return switch (record.entry()) {
            case OperationEnded end -> {
                // One that was given up as lost may have come to an end after all.
                yield shown.add(end.operation().id()) ? ended(record.sequence(), end) : null;
            }
            case OperationStarted started ->
                shown.add(started.id()) ? running(record.sequence(), started, "running") : null;
            case UpdateQueued queued ->
                shown.add(queued.id()) ? running(record.sequence(), queued.operation(), "queued") : null;
            case VersionDropped dropped -> dropped(record.sequence(), dropped);
            case Published published ->
                // A publish has a row of its own.
                published.operation() == null ? found(record.sequence(), published) : null;
            case ReplicasChanged changed -> null;
            // A canary has a row of its own.
            case CanaryMoved moved -> null;
        };
    }

    private static Row ended(long sequence, OperationEnded end) {
        OperationStarted start = end.operation();
        return new Row(
                sequence,
                start.id(),
                start.kind(),
                start.model(),
                end.from(),
                start.to(),
                start.digest(),
                end.outcome(),
                start.at(),
                end.at(),
                end.seconds(),
                start.requester(),
                start.idempotencyKey(),
                end.mode() == null ? start.mode() : end.mode(),
                start.strategy(),
                start.group(),
                end.bytes(),
                end.exchange(),
                end.engines(),
                end.reason(),
                detectedBy(end));
    }

    private static @Nullable String detectedBy(OperationEnded end) {
        return end.result() == null
                ? null
                : Json.tree(end.result()).path("detectedBy").asText(null);
    }

    private static Row running(long sequence, OperationStarted start, String outcome) {
        return new Row(
                sequence,
                start.id(),
                start.kind(),
                start.model(),
                null,
                start.to(),
                start.digest(),
                outcome,
                start.at(),
                null,
                null,
                start.requester(),
                start.idempotencyKey(),
                start.mode(),
                start.strategy(),
                start.group(),
                null,
                null,
                List.of(),
                null,
                null);
    }

    private static Row dropped(long sequence, VersionDropped dropped) {
        return simple(
                sequence,
                "drop",
                dropped.model(),
                dropped.version(),
                null,
                dropped.digest(),
                "dropped",
                dropped.at(),
                null,
                dropped.reason());
    }

    private static Row found(long sequence, Published published) {
        return simple(
                sequence,
                "publish",
                published.checkpoint().model(),
                null,
                published.checkpoint().version(),
                published.checkpoint().digest(),
                "found",
                published.at(),
                published.checkpoint().bytes(),
                "held by a worker host, but not in the ledger");
    }

    private static Row simple(
            long sequence,
            String kind,
            String model,
            @Nullable String from,
            @Nullable String to,
            String digest,
            String outcome,
            Instant at,
            @Nullable Long bytes,
            String reason) {
        return new Row(
                sequence, null, kind, model, from, to, digest, outcome, at, at, null, null, null, null, null, null,
                bytes, null, List.of(), reason, null);
    }
}
