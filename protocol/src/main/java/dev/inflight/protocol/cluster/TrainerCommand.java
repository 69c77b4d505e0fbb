package dev.inflight.protocol.cluster;

import akka.actor.typed.ActorRef;
import org.jspecify.annotations.Nullable;

/** What a trainer asks of the coordinator. The HTTP API, the CLI and the Python client send the same messages. */
public sealed interface TrainerCommand extends Wire {
    ActorRef<OperationReply> replyTo();

    /**
     * Makes a checkpoint known under {@code model} and {@code version} and loads it into the host stores. Publishing
     * the same bytes under the same name again succeeds at once; other bytes under a used name are refused.
     *
     * @param source safetensors file, directory or index, as the worker hosts see it
     */
    record Publish(String model, String version, String source, Origin origin, ActorRef<OperationReply> replyTo)
            implements TrainerCommand {
        public Publish {
            origin = origin == null ? Origin.UNKNOWN : origin;
        }

        /** From somebody who does not say who they are. */
        public Publish(String model, String version, String source, ActorRef<OperationReply> replyTo) {
            this(model, version, source, Origin.UNKNOWN, replyTo);
        }
    }

    /**
     * Moves the engines of {@code model} to {@code version}.
     *
     * @param mode load mode; null lets the coordinator choose the first that all engines support, shadow before in-place
     * @param strategy {@code broadcast}, or {@code auto}: nothing is sent if the checkpoint stands by in every engine, and
     *     a broadcast otherwise
     * @param group which engines, see {@link EngineSelection}; null for all of the model
     * @param verify where bytes are last compared with what was published; null for the coordinator's setting
     */
    record UpdateWeights(
            String model,
            String version,
            @Nullable LoadMode mode,
            String strategy,
            @Nullable String group,
            @Nullable VerifyPoint verify,
            Origin origin,
            ActorRef<OperationReply> replyTo)
            implements TrainerCommand {
        public UpdateWeights {
            group = EngineSelection.canonical(group);
            origin = origin == null ? Origin.UNKNOWN : origin;
        }

        /** Verified where the coordinator's setting says. */
        public UpdateWeights(
                String model,
                String version,
                @Nullable LoadMode mode,
                String strategy,
                @Nullable String group,
                Origin origin,
                ActorRef<OperationReply> replyTo) {
            this(model, version, mode, strategy, group, null, origin, replyTo);
        }

        /** From somebody who does not say who they are. */
        public UpdateWeights(
                String model,
                String version,
                @Nullable LoadMode mode,
                String strategy,
                @Nullable String group,
                ActorRef<OperationReply> replyTo) {
            this(model, version, mode, strategy, group, Origin.UNKNOWN, replyTo);
        }
    }

    /**
     * The same, but an update that may not begin yet waits for its turn. It is answered with an operation in phase
     * {@code queued} once a coordinator that comes after this one would know of it.
     *
     * @param timeoutMillis when it is given up; null for as long as the coordinator lets updates wait
     */
    record Enqueue(UpdateWeights update, @Nullable Long timeoutMillis) implements TrainerCommand {
        @Override
        public ActorRef<OperationReply> replyTo() {
            return update.replyTo();
        }
    }

    /** Calls off an update that waits for its turn; one that has begun is refused. */
    record Cancel(String id, Origin origin, ActorRef<OperationReply> replyTo) implements TrainerCommand {
        public Cancel {
            origin = origin == null ? Origin.UNKNOWN : origin;
        }
    }

    /**
     * Moves the engines of {@code model} back to a version that they had.
     *
     * @param to the version; null for the one before the last committed update of these engines that was not rolled back
     * @param mode as for {@link UpdateWeights}
     * @param group which engines; null for all of the model
     */
    record Rollback(
            String model,
            @Nullable String to,
            @Nullable LoadMode mode,
            @Nullable String group,
            Origin origin,
            ActorRef<OperationReply> replyTo)
            implements TrainerCommand {
        public Rollback {
            group = EngineSelection.canonical(group);
            origin = origin == null ? Origin.UNKNOWN : origin;
        }

        /** From somebody who does not say who they are. */
        public Rollback(
                String model,
                @Nullable String to,
                @Nullable LoadMode mode,
                @Nullable String group,
                ActorRef<OperationReply> replyTo) {
            this(model, to, mode, group, Origin.UNKNOWN, replyTo);
        }
    }

    /**
     * Moves part of the engines of {@code model} to {@code version}, watches them, and then moves the others too or the
     * first ones back.
     *
     * @param mode as for {@link UpdateWeights}
     * @param strategy as for {@link UpdateWeights}
     * @param group of which engines part is chosen and all are meant; null for all of the model
     */
    record CanaryUpdate(
            String model,
            String version,
            @Nullable LoadMode mode,
            String strategy,
            @Nullable String group,
            Canary canary,
            Origin origin,
            ActorRef<OperationReply> replyTo)
            implements TrainerCommand {
        public CanaryUpdate {
            group = EngineSelection.canonical(group);
            origin = origin == null ? Origin.UNKNOWN : origin;
        }
    }

    /**
     * Ends the watching of a canary: the others follow, or the first ones go back. Answered when no later coordinator can
     * miss it; {@code UNAVAILABLE} means that one may, and asks for it to be said again.
     *
     * @param operation the canary; null for the one that runs of {@code model}
     * @param model null if {@code operation} says it
     * @param detectedBy what made who asks decide: "operator" or "command"; null for the former
     * @param reason for the history; null if they do not say
     */
    record DecideCanary(
            @Nullable String operation,
            @Nullable String model,
            Decision decision,
            @Nullable String detectedBy,
            @Nullable String reason,
            Origin origin,
            ActorRef<OperationReply> replyTo)
            implements TrainerCommand {
        /** What becomes of the canary. */
        public enum Decision {
            PROMOTE,
            REVERT
        }

        public DecideCanary {
            origin = origin == null ? Origin.UNKNOWN : origin;
        }
    }

    /**
     * Compares live tensors of engines with the manifest of the version they serve.
     *
     * @param group which engines; null for all of the model
     */
    record VerifyModel(String model, @Nullable String group, Origin origin, ActorRef<OperationReply> replyTo)
            implements TrainerCommand {
        public VerifyModel {
            group = EngineSelection.canonical(group);
            origin = origin == null ? Origin.UNKNOWN : origin;
        }

        /** All of the model, from somebody who does not say who they are. */
        public VerifyModel(String model, ActorRef<OperationReply> replyTo) {
            this(model, null, Origin.UNKNOWN, replyTo);
        }
    }

    /** Asks for an operation's present state. */
    record GetOperation(String id, ActorRef<OperationReply> replyTo) implements TrainerCommand {}
}
