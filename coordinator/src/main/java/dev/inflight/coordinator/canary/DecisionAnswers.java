package dev.inflight.coordinator.canary;

import akka.actor.typed.ActorRef;
import dev.inflight.coordinator.ledger.Doubt;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import java.util.ArrayList;
import java.util.List;

/**
 * Who waits to hear that a decision about a canary was taken. They are told when a majority has it on disk: the next
 * coordinator would let a canary hold on of which it does not know that it was decided. Who can not be told that is told
 * so, after the time that the ledger waits for its replicas.
 */
final class DecisionAnswers {
    /** @param number of the entry that has the decision */
    private record Waiting(int number, ActorRef<OperationReply> replyTo) {}

    private final List<Waiting> waiting = new ArrayList<>();
    private int written;
    private int told;
    private int durable;

    /** A state is on its way to the ledger. */
    void written(int number) {
        written = number;
    }

    /**
     * Whether the ledger has said all that it will about the last state, and that is not that a majority has it. So it is
     * with what a former coordinator entered: perhaps a single replica had it.
     */
    boolean isInDoubt() {
        return told == written && durable < Math.max(1, written);
    }

    /** Answers at once if a majority has the last state, otherwise when the ledger has said so. */
    void await(ActorRef<OperationReply> replyTo, Operation now) {
        if (durable == written && written > 0) {
            replyTo.tell(now);
        } else {
            waiting.add(new Waiting(written, replyTo));
        }
    }

    /**
     * The ledger has a state, and all before.
     *
     * @param byMajority otherwise nobody can say that it will be remembered
     */
    void kept(int number, boolean byMajority, Operation now) {
        told = number;
        if (byMajority) {
            durable = number;
        }
        OperationReply reply = byMajority ? now : Doubt.of(now);
        waiting.stream()
                .filter(decided -> decided.number() <= number)
                .forEach(decided -> decided.replyTo().tell(reply));
        waiting.removeIf(decided -> decided.number() <= number);
    }

    /** Nobody will be told any more what the ledger has. */
    void ended(String id) {
        waiting.forEach(decided -> decided.replyTo().tell(tooLate(id)));
        waiting.clear();
    }

    static Refused tooLate(String id) {
        return new Refused(Refused.Code.UNAVAILABLE, "canary " + id + " has ended just now; ask for it");
    }
}
