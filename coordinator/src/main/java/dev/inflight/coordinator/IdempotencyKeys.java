package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.ledger.LedgerState;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.OperationReply.Refused.Code;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Which operation each idempotency key began, and who waits to hear that it was taken: they are told when the ledger has
 * it, since a key that is forgotten would begin the operation again.
 */
final class IdempotencyKeys {
    private final int most;
    private final Map<String, OperationStarted> byKey = new LinkedHashMap<>();
    private final Map<String, List<ActorRef<OperationReply>>> waiting = new HashMap<>();

    /** @param most how many keys are remembered */
    IdempotencyKeys(int most) {
        this.most = most;
    }

    void restore(LedgerState state) {
        state.ended().forEach(ended -> remember(ended.operation()));
        state.unfinished().forEach(this::remember);
        state.queued().forEach(queued -> remember(queued.operation()));
    }

    /** The operation that a key began; null if it is new. */
    @Nullable
    OperationStarted find(@Nullable String key) {
        return key == null ? null : byKey.get(key);
    }

    /** Why a key can not be used for this request; null if it is a repetition. */
    static @Nullable Refused refusal(OperationStarted first, String request) {
        if (request.equals(first.request())) {
            return null;
        }
        String version = first.to() == null ? "" : " to version " + first.to();
        return new Refused(
                Code.CONFLICT,
                "idempotency key \"" + first.idempotencyKey() + "\" was used for another request, by " + first.kind()
                        + " " + first.id() + " of model " + first.model() + version + "; use a new key");
    }

    /** An operation with a key begins. */
    void begin(OperationStarted start, ActorRef<OperationReply> replyTo) {
        remember(start);
        waiting.put(start.id(), new ArrayList<>(List.of(replyTo)));
    }

    /**
     * A repeated request waits for its first one.
     *
     * @return whether there is something to wait for
     */
    boolean await(OperationStarted first, ActorRef<OperationReply> replyTo) {
        List<ActorRef<OperationReply>> others = waiting.get(first.id());
        if (others != null) {
            others.add(replyTo);
        }
        return others != null;
    }

    /** An operation was refused: its key is free again. */
    void refused(OperationStarted start, Refused refused) {
        String key = start.idempotencyKey();
        if (key != null) {
            byKey.remove(key);
            answer(start.id(), refused);
        }
    }

    /** It is certain that an operation will be remembered. */
    void answer(String operation, OperationReply reply) {
        List<ActorRef<OperationReply>> all = waiting.remove(operation);
        if (all != null) {
            all.forEach(replyTo -> replyTo.tell(reply));
        }
    }

    private void remember(OperationStarted start) {
        String key = start.idempotencyKey();
        if (key != null) {
            byKey.put(key, start);
            if (byKey.size() > most) {
                byKey.remove(byKey.keySet().iterator().next());
            }
        }
    }
}
