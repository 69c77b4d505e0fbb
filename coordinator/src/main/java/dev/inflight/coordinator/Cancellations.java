package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import dev.inflight.coordinator.ledger.LedgerEntry.NeverBegan;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.OperationReply.Refused.Code;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Who waits to hear that a waiting update was called off. They are told when a majority has it on disk: the next coordinator
 * would begin an update whose end it does not know. Who can not be told that is told so, and has it entered once more by
 * saying it again.
 */
final class Cancellations {
    private final BiConsumer<OperationStarted, Operation> ledger;
    /** Those that perhaps no majority has. */
    private final Map<String, CalledOff> calledOff = new HashMap<>();

    private static final class CalledOff {
        final OperationStarted start;
        final Operation end;
        final List<ActorRef<OperationReply>> waiting = new ArrayList<>();
        boolean onItsWay;

        CalledOff(OperationStarted start, Operation end) {
            this.start = start;
            this.end = end;
        }
    }

    /** @param ledger enters the end of an update; {@link #kept} follows */
    Cancellations(BiConsumer<OperationStarted, Operation> ledger) {
        this.ledger = ledger;
    }

    /** An update is called off. */
    void begin(OperationStarted start, Operation end, ActorRef<OperationReply> replyTo) {
        calledOff.put(start.id(), new CalledOff(start, end));
        await(start.id(), replyTo);
    }

    /**
     * Somebody calls it off again.
     *
     * @return whether there is something to wait for
     */
    boolean await(String id, ActorRef<OperationReply> replyTo) {
        CalledOff off = calledOff.get(id);
        if (off == null) {
            return false;
        }
        off.waiting.add(replyTo);
        if (!off.onItsWay) {
            off.onItsWay = true;
            ledger.accept(off.start, off.end);
        }
        return true;
    }

    /** @param durable whether a majority has the end of an update, so that nobody begins it any more */
    void kept(String id, boolean durable) {
        CalledOff off = calledOff.get(id);
        if (off == null) {
            return;
        }
        off.onItsWay = false;
        OperationReply reply = durable ? off.end : doubt(id);
        off.waiting.forEach(replyTo -> replyTo.tell(reply));
        off.waiting.clear();
        if (durable) {
            // A majority has all that was entered before, too.
            calledOff.values().removeIf(other -> !other.onItsWay);
        }
    }

    private static Refused doubt(String id) {
        return new Refused(
                Code.UNAVAILABLE,
                "update " + id
                        + " is called off, but no majority of the coordinator nodes has confirmed in time that this"
                        + " is on disk, and a coordinator that takes over may begin it; say it again");
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
