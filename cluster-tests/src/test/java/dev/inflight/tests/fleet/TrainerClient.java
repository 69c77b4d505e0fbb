package dev.inflight.tests.fleet;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Props;
import akka.actor.typed.javadsl.AskPattern;
import dev.inflight.coordinator.Trainer;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.TrainerCommand;
import dev.inflight.tests.Eventually;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;

/** A trainer's program: asks through the {@link Trainer} actor and waits for the ends. */
public final class TrainerClient {
    private static final Duration ASK_TIMEOUT = Duration.ofSeconds(20);

    /** Short: while a coordinator takes over from another nobody answers, and the next question may be in time. */
    private static final Duration STATE_TIMEOUT = Duration.ofSeconds(1);

    private final ActorSystem<?> system;
    private final ActorRef<TrainerCommand> trainer;

    TrainerClient(ActorSystem<?> system) {
        this.system = system;
        this.trainer = system.systemActorOf(Trainer.create(), "trainer", Props.empty());
    }

    /** Publishes and waits for the end. */
    public Operation publish(String model, String version, Path source) {
        return ended(begin(replyTo -> new TrainerCommand.Publish(model, version, source.toString(), replyTo)));
    }

    /** Updates all engines of a model and waits for the end. */
    public Operation update(String model, String version, LoadMode mode) {
        return ended(beginUpdate(model, version, mode));
    }

    /** @return the operation's id */
    public String beginUpdate(String model, String version, LoadMode mode) {
        return begin(replyTo -> new TrainerCommand.UpdateWeights(model, version, mode, "broadcast", null, replyTo));
    }

    /**
     * Takes all engines of a model back to the version before.
     *
     * @return the operation's id
     */
    public String beginRollback(String model, LoadMode mode) {
        return begin(replyTo -> new TrainerCommand.Rollback(model, null, mode, null, replyTo));
    }

    /** Compares every engine's tensors with the manifest and waits for the verdict. */
    public Operation verify(String model) {
        return ended(begin(replyTo -> new TrainerCommand.VerifyModel(model, replyTo)));
    }

    /** The operation's present state. */
    public Operation state(String id) {
        return operation(replyTo -> new TrainerCommand.GetOperation(id, replyTo), STATE_TIMEOUT);
    }

    /**
     * Waits for the operation's end; bounded only against hanging for ever. That a coordinator does not answer, or does
     * not know the operation yet, is no end.
     */
    public Operation ended(String id) {
        AtomicReference<Operation> last = new AtomicReference<>();
        Eventually.until("the end of " + id, Duration.ofSeconds(90), () -> {
            last.set(state(id));
            return last.get().state() != OperationReply.State.RUNNING;
        });
        return last.get();
    }

    private String begin(Function<ActorRef<OperationReply>, TrainerCommand> command) {
        return operation(command, ASK_TIMEOUT).id();
    }

    private Operation operation(Function<ActorRef<OperationReply>, TrainerCommand> command, Duration timeout) {
        OperationReply reply = AskPattern.<TrainerCommand, OperationReply>ask(
                        trainer, command::apply, timeout, system.scheduler())
                .toCompletableFuture()
                .join();
        return switch (reply) {
            case Operation operation -> operation;
            case OperationReply.Refused refused ->
                throw new IllegalStateException("refused: " + refused.code() + " " + refused.message());
        };
    }
}
