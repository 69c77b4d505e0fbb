package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.OperationReply.Refused.Code;
import dev.inflight.protocol.cluster.OperationReply.State;
import dev.inflight.protocol.cluster.TrainerCommand.GetOperation;
import org.jspecify.annotations.Nullable;

/**
 * What is said of operations that a command comes too late for, under whatever coordinator they ran. Belongs to the
 * coordinator's actor.
 */
final class PastOperations {
    /** What a command about an operation is answered with. */
    @FunctionalInterface
    interface Answer {
        /** @param known null if nobody knows it */
        OperationReply to(@Nullable Operation known);
    }

    private final ActorContext<UpdateCoordinator.Command> context;
    private final Journal journal;

    PastOperations(ActorContext<UpdateCoordinator.Command> context, Journal journal) {
        this.context = context;
        this.journal = journal;
    }

    /**
     * Answers at once of an operation that runs, of others when a majority of the ledger's replicas has what it says; if
     * none has it in time, that is the answer.
     *
     * @param known what this coordinator knows of it, which also counts where the ledger does not have it; null if nothing
     */
    void answer(String id, @Nullable Operation known, Answer answer, ActorRef<OperationReply> replyTo) {
        if (known != null && known.state() == State.RUNNING) {
            replyTo.tell(answer.to(known));
            return;
        }
        ActorRef<OperationReply> asking = context.spawnAnonymous(Behaviors.receiveMessage(found -> {
            replyTo.tell(
                    switch (found) {
                        case Operation past -> answer.to(past);
                        case Refused refused -> refused.code() == Code.NOT_FOUND ? answer.to(known) : refused;
                    });
            return Behaviors.stopped();
        }));
        journal.tellDurably(new GetOperation(id, asking));
    }
}
