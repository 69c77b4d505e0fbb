package dev.inflight.coordinator;

import dev.inflight.coordinator.Operations.Running;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.OperationReply.Refused.Code;
import dev.inflight.protocol.cluster.Origin;
import dev.inflight.protocol.cluster.TrainerCommand.CanaryUpdate;
import dev.inflight.protocol.cluster.TrainerCommand.Publish;
import dev.inflight.protocol.cluster.TrainerCommand.Rollback;
import dev.inflight.protocol.cluster.TrainerCommand.UpdateWeights;
import dev.inflight.protocol.cluster.TrainerCommand.VerifyModel;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Says which commands are refused at once. Decisions only. */
record Admission(
        Operations operations,
        VersionLedger ledger,
        Fleet fleet,
        @Nullable String canary) {
    private static final int LONGEST_NAME = 256;
    private static final int LONGEST_GROUP = 4096;
    private static final int LONGEST_PATH = 4096;
    private static final Set<String> STRATEGIES = Set.of("broadcast", "auto");

    static Admission of(Operations operations, VersionLedger ledger, Fleet fleet) {
        return new Admission(operations, ledger, fleet, null);
    }

    /** For what a canary asks for itself. */
    Admission within(@Nullable String id) {
        return new Admission(operations, ledger, fleet, id);
    }

    @Nullable
    Refused refusal(Publish publish) {
        Refused invalid = first(
                name("model", publish.model(), LONGEST_NAME),
                name("version", publish.version(), LONGEST_NAME),
                name("source", publish.source(), LONGEST_PATH),
                origin(publish.origin()));
        if (invalid != null) {
            return invalid;
        }
        return operations.running().stream()
                .filter(session -> session.is("publish", publish.model())
                        && session.version().equals(publish.version()))
                .findFirst()
                .map(Admission::conflict)
                .orElse(null);
    }

    @Nullable
    Refused refusal(UpdateWeights update) {
        Refused invalid = first(
                name("model", update.model(), LONGEST_NAME),
                name("version", update.version(), LONGEST_NAME),
                update.group() == null || canary != null ? null : name("group", update.group(), LONGEST_GROUP),
                origin(update.origin()));
        if (invalid != null) {
            return invalid;
        }
        // What comes off the wire may be null whatever the type says.
        if (!STRATEGIES.contains(String.valueOf(update.strategy()))) {
            return new Refused(
                    Code.INVALID, "strategy: must be broadcast or auto but is \"" + update.strategy() + "\"");
        }
        Running excluding = excluding(update.model(), update.group());
        if (excluding != null) {
            return conflict(excluding);
        }
        return ledger.find(update.model(), update.version()) == null ? unpublished(update) : null;
    }

    Refused unpublished(UpdateWeights update) {
        return unknown("version " + update.version() + " of model " + update.model() + " is not published");
    }

    /** What runs and must end before these engines can be updated; null if nothing does. */
    @Nullable
    Running excluding(String model, @Nullable String group) {
        SharedEngines shared = new SharedEngines(() -> fleet);
        for (Running session : operations.running()) {
            boolean isOwn = session.id().equals(canary);
            boolean moves = session.is("verify", model) || session.moves(model) || session.isCanary(model);
            if (moves && !isOwn && shared.areIn(model, session.group(), group)) {
                return session;
            }
        }
        return null;
    }

    /**
     * @param former the version that the engines had before; null if none is known
     */
    @Nullable
    Refused refusal(Rollback rollback, @Nullable String former) {
        Refused invalid = name("model", rollback.model(), LONGEST_NAME);
        if (invalid != null) {
            return invalid;
        }
        String engines = "engines of model " + rollback.model()
                + (rollback.group() == null ? "" : " in group " + rollback.group());
        String target = rollback.to() == null ? former : rollback.to();
        if (target == null) {
            return unknown("no version is known that the " + engines
                    + " had before the one they have, and that no rollback left; name one");
        }
        Refused refused = refusal(update(rollback, target));
        return refused != null && refused.code() == Code.NOT_FOUND && rollback.to() == null
                ? unknown("version " + target + ", which the " + engines
                        + " had before, is not kept any more (keep-versions); publish it again")
                : refused;
    }

    /** What a canary does in the end, if all goes well. */
    static UpdateWeights update(CanaryUpdate canary) {
        return new UpdateWeights(
                canary.model(),
                canary.version(),
                canary.mode(),
                canary.strategy(),
                canary.group(),
                canary.origin(),
                canary.replyTo());
    }

    /** What a rollback does. */
    static UpdateWeights update(Rollback rollback, String target) {
        return new UpdateWeights(
                rollback.model(),
                target,
                rollback.mode(),
                "auto",
                rollback.group(),
                rollback.origin(),
                rollback.replyTo());
    }

    @Nullable
    Refused refusal(VerifyModel verify) {
        Refused invalid = first(
                name("model", verify.model(), LONGEST_NAME),
                verify.group() == null ? null : name("group", verify.group(), LONGEST_GROUP),
                origin(verify.origin()));
        if (invalid != null) {
            return invalid;
        }
        for (Running session : operations.running()) {
            if (session.is("verify", verify.model())
                    || session.moves(verify.model())
                    || session.is("join", verify.model())) {
                return conflict(session);
            }
        }
        boolean known = !ledger.versions(verify.model()).isEmpty()
                || fleet.workers().values().stream().anyMatch(worker -> worker.serves(verify.model()));
        return known ? null : unknown("model " + verify.model() + " is not known");
    }

    /** Right after a restart, what is unknown may only not have been reported yet. */
    private Refused unknown(String message) {
        return fleet.incomplete()
                ? new Refused(Code.UNAVAILABLE, message + ", but not every host has reported yet; try again")
                : new Refused(Code.NOT_FOUND, message);
    }

    private static Refused conflict(Running session) {
        String version = session.version().isEmpty() ? "" : " to version " + session.version();
        return new Refused(
                Code.CONFLICT,
                session.kind() + " " + session.id() + " of model " + session.model() + version + " is running"
                        + (session.isCanary(session.model()) ? "; promote or revert it first" : ""));
    }

    private static @Nullable Refused origin(@Nullable Origin origin) {
        if (origin == null) {
            return null;
        }
        return first(
                origin.requester() == null ? null : name("requester", origin.requester(), LONGEST_NAME),
                origin.idempotencyKey() == null ? null : name("idempotencyKey", origin.idempotencyKey(), LONGEST_NAME));
    }

    private static @Nullable Refused name(String field, @Nullable String value, int longest) {
        if (value == null || value.isBlank()) {
            return new Refused(Code.INVALID, field + ": must not be empty");
        }
        if (value.length() > longest) {
            return new Refused(Code.INVALID, field + ": longer than " + longest + " characters");
        }
        return value.chars().anyMatch(Character::isISOControl)
                ? new Refused(Code.INVALID, field + ": must not contain control characters")
                : null;
    }

    private static @Nullable Refused first(@Nullable Refused... refusals) {
        for (Refused refused : refusals) {
            if (refused != null) {
                return refused;
            }
        }
        return null;
    }
}
