package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import dev.inflight.coordinator.ledger.LedgerEntry.NeverBegan;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.OperationReply.Refused.Code;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Who waits to hear that a waiting update was called off. They are told when the ledger has it: the next coordinator would
 * begin an update whose end it does not know.
 */
final class Cancellations {
    private final Map<String, List<ActorRef<OperationReply>>> waiting = new HashMap<>();

    /** An update is called off. */
    void begin(String id, ActorRef<OperationReply> replyTo) {
        waiting.put(id, new ArrayList<>(List.of(replyTo)));
    }

    /**
     * Somebody calls it off again.
     *
     * @return whether there is something to wait for
     */
    boolean await(String id, ActorRef<OperationReply> replyTo) {
        List<ActorRef<OperationReply>> others = waiting.get(id);
        if (others != null) {
            others.add(replyTo);
        }
        return others != null;
    }

    /** It is certain that nobody begins an update any more. */
    void answer(String id, OperationReply reply) {
        List<ActorRef<OperationReply>> all = waiting.remove(id);
        if (all != null) {
            all.forEach(replyTo -> replyTo.tell(reply));
        }
    }

    /** For one that does not wait for its turn: who says again what was done is told so. */
    static OperationReply reply(String id, @Nullable Operation known) {
        if (known == null) {
            return new Refused(Code.NOT_FOUND, "no update " + id + " waits for its turn");
        }
        return known.phase().equals(NeverBegan.CANCELLED.label())
                ? known
                : new Refused(
                        Code.CONFLICT,
                        known.kind() + " " + known.id() + " does not wait for its turn: it is in phase "
                                + known.phase());
    }
}
