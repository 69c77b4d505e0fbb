package dev.inflight.coordinator;

import dev.inflight.coordinator.Operations.Running;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.ledger.LedgerEntry.UpdateQueued;
import dev.inflight.coordinator.limits.Denial;
import dev.inflight.coordinator.limits.LimitSettings;
import dev.inflight.coordinator.limits.Scope;
import dev.inflight.coordinator.limits.UpdateLimits;
import dev.inflight.coordinator.limits.UpdateQueue;
import dev.inflight.coordinator.limits.UpdateQueue.Excluded;
import dev.inflight.coordinator.limits.UpdateQueue.Impossible;
import dev.inflight.coordinator.limits.UpdateQueue.Obstacle;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.OperationReply.Refused.Code;
import dev.inflight.protocol.cluster.TrainerCommand.Enqueue;
import dev.inflight.protocol.cluster.TrainerCommand.UpdateWeights;
import java.time.Duration;
import java.time.Instant;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** What stands in the way of an update: operations that exclude it, those that came before it, and limits. Decisions only. */
record TurnRefusals(
        LimitSettings settings,
        Supplier<Fleet> fleet,
        Operations operations,
        VersionLedger ledger,
        UpdateLimits limits) {
    /** The setting that bounds the queue, as refusals and metrics name it. */
    static final String QUEUE_LENGTH = "queue-length";

    private Admission admission() {
        return Admission.of(operations, ledger, fleet.get());
    }

    /** Why an update that will not wait is refused; null if it may begin now. */
    @Nullable
    Refused refusal(UpdateWeights update, UpdateQueue queue, Instant now) {
        Refused refused = admission().refusal(update);
        if (refused != null) {
            return refused.code() == Code.CONFLICT ? timed(refused, update, now) : refused;
        }
        UpdateQueued ahead = queue.ahead(update.model(), update.group(), now);
        if (ahead != null) {
            String message = "update " + ahead.id() + " of model " + update.model() + " to version "
                    + ahead.operation().to() + " came before it and waits for its turn";
            return new Refused(Code.CONFLICT, message);
        }
        Denial denial = denial(update, now);
        return denial == null ? null : limited(denial);
    }

    /** The same with the time at which what is in the way will have ended, if it takes as long as usual. */
    private Refused timed(Refused refused, UpdateWeights update, Instant now) {
        Running excluding = admission().excluding(update.model(), update.group());
        Instant end = excluding == null ? null : limits.expectedEnd(excluding.id(), now);
        return new Refused(refused.code(), refused.message(), null, end);
    }

    /** Why an update may not even wait; null if it may. */
    @Nullable
    Refused waitRefusal(Enqueue command, UpdateQueue queue, Instant now) {
        UpdateWeights update = command.update();
        Refused refused = admission().refusal(update);
        if (refused != null && refused.code() != Code.CONFLICT) {
            return refused;
        }
        if (find(update) == null) {
            return admission().unpublished(update);
        }
        long longest = settings.queueTimeout().toMillis();
        Long timeout = command.timeoutMillis();
        if (timeout != null && (timeout < 1 || timeout > longest)) {
            String message =
                    "waitTimeoutMs: must be from 1 to " + longest + " (limits.queue-timeout) but is " + timeout;
            return new Refused(Code.INVALID, message);
        }
        Denial denial = denial(update, now);
        if (denial != null && denial.never()) {
            return limited(denial);
        }
        if (queue.length(update.model()) < settings.queueLength()) {
            return null;
        }
        String message = settings.queueLength() + " updates of model " + update.model() + " wait for their turn; "
                + QUEUE_LENGTH + " allows no more";
        return new Refused(Code.LIMITED, message, QUEUE_LENGTH, null);
    }

    /** What an update that waits can not pass, besides limits; what it needs may have gone meanwhile. */
    @Nullable
    Obstacle obstacle(UpdateWeights update) {
        Refused refused = admission().refusal(update);
        if (refused == null) {
            return null;
        }
        return switch (refused.code()) {
            case CONFLICT -> {
                Running excluding = admission().excluding(update.model(), update.group());
                yield new Excluded(excluding == null ? null : excluding.id(), refused.message());
            }
            case UNAVAILABLE, LIMITED -> new Excluded(null, refused.message());
            case INVALID, NOT_FOUND -> new Impossible(refused.message());
        };
    }

    /** How long an update waits at most. */
    Duration patience(Enqueue command) {
        Long asked = command.timeoutMillis();
        return asked == null ? settings.queueTimeout() : Duration.ofMillis(asked);
    }

    private @Nullable Denial denial(UpdateWeights update, Instant now) {
        CheckpointRef checkpoint = find(update);
        String tenant = Scope.tenantOf(update.origin().requester());
        return limits.denial(update.model(), tenant, checkpoint == null ? 0 : checkpoint.bytes(), now);
    }

    private static Refused limited(Denial denial) {
        return new Refused(Code.LIMITED, denial.text(), denial.limit().label(), denial.at());
    }

    private @Nullable CheckpointRef find(UpdateWeights update) {
        return ledger.find(update.model(), update.version());
    }

    /** The size of an operation's checkpoint; 0 if it is gone. */
    long bytes(OperationStarted start) {
        CheckpointRef checkpoint = start.to() == null ? null : ledger.find(start.model(), start.to());
        return checkpoint == null ? 0 : checkpoint.bytes();
    }
}
