package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.Behaviors;
import dev.inflight.coordinator.metrics.CoordinatorMetrics;
import dev.inflight.protocol.cluster.TrainerCommand;
import dev.inflight.protocol.cluster.Wire;

/**
 * The coordinator's door for trainers in a JVM of the cluster: passes their commands to it, wherever it runs, and keeps
 * them while it moves. Answers come straight to the command's {@code replyTo}; ask with a timeout, since a lost
 * coordinator answers nothing.
 *
 * <pre>{@code
 * ActorRef<TrainerCommand> trainer = context.spawn(Trainer.create(), "trainer");
 * CompletionStage<OperationReply> reply = AskPattern.ask(
 *         trainer,
 *         replyTo -> new TrainerCommand.Publish("llama", "step-1200", "/dev/shm/llama/step-1200", replyTo),
 *         Duration.ofSeconds(15),
 *         system.scheduler());
 * // Operation(id, ...): ask GetOperation(id) until it has ended, then send UpdateWeights. Refused: nothing changed.
 * }</pre>
 */
public final class Trainer {
    private Trainer() {}

    /** Needs {@code inflight.coordinator} settings in the system's configuration; reference.conf has them. */
    public static Behavior<TrainerCommand> create() {
        return Behaviors.setup(context -> {
            CoordinatorSettings settings =
                    CoordinatorSettings.from(context.getSystem().settings().config());
            ActorRef<Wire> coordinator =
                    CoordinatorNode.coordinator(context.getSystem(), settings, new CoordinatorMetrics());
            return Behaviors.receiveMessage(command -> {
                coordinator.tell(command);
                return Behaviors.same();
            });
        });
    }
}
