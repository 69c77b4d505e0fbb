package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.inflight.coordinator.ledger.LedgerEntry;
import dev.inflight.coordinator.ledger.LedgerEntry.CanaryMoved;
import dev.inflight.coordinator.ledger.LedgerEntry.EngineOutcome;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationEnded;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.ledger.LedgerEntry.Published;
import dev.inflight.coordinator.ledger.LedgerEntry.UpdateQueued;
import dev.inflight.coordinator.ledger.LedgerEntry.VersionDropped;
import dev.inflight.coordinator.ledger.LedgerWriter;
import dev.inflight.coordinator.ledger.Receipt;
import dev.inflight.coordinator.operation.CoordinatorQuery.GetHistory;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.TrainerCommand.GetOperation;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Tells the ledger what happened. Never waits: an update does not depend on a disk. */
final class Journal {
    /** Results that are larger, of large fleets, are not kept; what became of the engines is. */
    private static final int LONGEST_RESULT = 32_768;

    private static final int MOST_ENGINES = 256;
    private static final int LONGEST_REASON = 4096;

    private final ActorRef<LedgerWriter.Command> ledger;
    private final InstantSource wallClock;
    private final Set<String> begun = new HashSet<>();

    /** @param unfinished operations whose beginning the ledger has */
    Journal(ActorRef<LedgerWriter.Command> ledger, InstantSource wallClock, Collection<OperationStarted> unfinished) {
        this.ledger = ledger;
        this.wallClock = wallClock;
        unfinished.forEach(start -> begun.add(start.id()));
    }

    void tell(GetHistory query) {
        ledger.tell(new LedgerWriter.Tell(query));
    }

    void tell(GetOperation query) {
        ledger.tell(new LedgerWriter.TellOperation(query, false));
    }

    /** Answered once that is certain to be remembered. */
    void tellDurably(GetOperation query) {
        ledger.tell(new LedgerWriter.TellOperation(query, true));
    }

    /** Worker hosts hold a version that nobody remembers. */
    void found(CheckpointRef checkpoint) {
        write(new Published(null, checkpoint, null, now()));
    }

    void published(OperationStarted start, CheckpointRef checkpoint) {
        write(new Published(start.id(), checkpoint, start.requester(), now()));
    }

    /** @param to the version that the engines took instead */
    void dropped(CheckpointRef checkpoint, String to) {
        write(new VersionDropped(
                checkpoint.model(),
                checkpoint.version(),
                checkpoint.digest(),
                "engines took version " + to + " and none of those before that are kept",
                now()));
    }

    /** An operation was taken. Joins are entered when they have succeeded, since failed ones are tried without end. */
    void taken(OperationStarted start) {
        if (!start.kind().equals("join") && begun.add(start.id())) {
            ledger.tell(new LedgerWriter.Write(
                    start, start.idempotencyKey() == null ? null : new Receipt.Taken(start.id())));
        }
    }

    /** An update waits for its turn; who asked for it hears when that is certain to be remembered. */
    void queued(UpdateQueued queued) {
        ledger.tell(new LedgerWriter.Write(queued, new Receipt.Taken(queued.id())));
    }

    /** A canary moves on once the ledger has this. */
    void moves(CanaryMoved moved, int number) {
        ledger.tell(new LedgerWriter.Write(moved, new Receipt.CanaryMove(moved.operation(), number)));
    }

    /**
     * An operation ended.
     *
     * @param before versions that engines had before
     * @param meant see {@link OperationEnded}
     */
    void ended(OperationStarted start, Operation operation, Set<String> before, @Nullable List<String> meant) {
        ended(start, operation, before, meant, null);
    }

    /** An update that waited does not begin. */
    void neverBegan(OperationStarted start, Operation operation) {
        ended(start, operation, Set.of(), null, null);
    }

    /** The same, because somebody called it off, who hears when that is certain to be remembered. */
    void calledOff(OperationStarted start, Operation operation) {
        ended(start, operation, Set.of(), null, new Receipt.CalledOff(start.id()));
    }

    private void ended(
            OperationStarted start,
            Operation operation,
            Set<String> before,
            @Nullable List<String> meant,
            @Nullable Receipt receipt) {
        begun.remove(start.id());
        boolean succeeded = operation.state() == OperationReply.State.SUCCEEDED;
        if (start.kind().equals("join") && !succeeded) {
            return;
        }
        Instant now = now();
        String json = operation.resultJson();
        JsonNode result = json == null ? MissingNode.getInstance() : Json.tree(json);
        String reason = operation.error() == null ? text(result, "reason") : operation.error();
        OperationEnded ended = new OperationEnded(
                start.digest() == null ? start.withDigest(text(result, "digest")) : start,
                outcome(start, operation, result),
                succeeded,
                text(result, "from"),
                before,
                result.path("seconds")
                        .asDouble(Duration.between(start.at(), now).toMillis() / 1e3),
                result.path("bytes").asLong(operation.totalBytes()),
                text(result, "mode"),
                text(result.path("exchange"), "name"),
                engines(result.path("engines")),
                meant,
                operation.phase(),
                operation.doneBytes(),
                operation.totalBytes(),
                reason != null && reason.length() > LONGEST_REASON ? reason.substring(0, LONGEST_REASON) : reason,
                json != null && json.length() > LONGEST_RESULT ? null : json,
                now);
        ledger.tell(new LedgerWriter.Write(ended, receipt));
    }

    private static String outcome(OperationStarted start, Operation operation, JsonNode result) {
        if (start.kind().equals("verify") && result.has("verified")) {
            return result.path("verified").asBoolean() ? "verified" : "differs";
        }
        // What a lost operation came to is its phase.
        return result.path("outcome").asText(operation.phase());
    }

    private static List<EngineOutcome> engines(JsonNode engines) {
        List<EngineOutcome> failed = new ArrayList<>();
        List<EngineOutcome> others = new ArrayList<>();
        for (JsonNode engine : engines) {
            String outcome = engine.has("outcome") ? engine.path("outcome").asText() : verified(engine);
            JsonNode stall = engine.path("stallMs");
            EngineOutcome all = new EngineOutcome(
                    text(engine, "engine"),
                    engine.path("worker").asText(),
                    outcome,
                    stall.isNumber() ? stall.asDouble() : null);
            (outcome.equals("failed") || outcome.equals("differs") ? failed : others).add(all);
        }
        failed.addAll(others);
        return List.copyOf(failed.subList(0, Math.min(failed.size(), MOST_ENGINES)));
    }

    private static String verified(JsonNode engine) {
        if (engine.hasNonNull("error")) {
            return "failed";
        }
        return engine.path("mismatches").asLong() == 0 ? "verified" : "differs";
    }

    private static @Nullable String text(JsonNode node, String field) {
        return node.hasNonNull(field) ? node.path(field).asText() : null;
    }

    private Instant now() {
        return wallClock.instant().truncatedTo(ChronoUnit.MILLIS);
    }

    private void write(LedgerEntry entry) {
        ledger.tell(new LedgerWriter.Write(entry, null));
    }
}
