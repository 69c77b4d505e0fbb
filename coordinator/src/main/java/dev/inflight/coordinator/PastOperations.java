package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.OperationReply.Refused.Code;
import dev.inflight.protocol.cluster.TrainerCommand.GetOperation;
import org.jspecify.annotations.Nullable;

/** What the ledger says of operations that have ended, under whatever coordinator. Belongs to the coordinator's actor. */
final class PastOperations {
    /** What a command about an operation is answered with. */
    @FunctionalInterface
    interface Answer {
        /** @param past null if the ledger does not have it */
        OperationReply to(@Nullable Operation past);
    }

    private final ActorContext<UpdateCoordinator.Command> context;
    private final Journal journal;

    PastOperations(ActorContext<UpdateCoordinator.Command> context, Journal journal) {
        this.context = context;
        this.journal = journal;
    }

    /** Answers when a majority of the ledger's replicas has what it says; if none has it in time, that is the answer. */
    void answer(String id, Answer answer, ActorRef<OperationReply> replyTo) {
        ActorRef<OperationReply> asking = context.spawnAnonymous(Behaviors.receiveMessage(found -> {
            replyTo.tell(
                    switch (found) {
                        case Operation past -> answer.to(past);
                        case Refused refused -> refused.code() == Code.NOT_FOUND ? answer.to(null) : refused;
                    });
            return Behaviors.stopped();
        }));
        journal.tellDurably(new GetOperation(id, asking));
    }
}
