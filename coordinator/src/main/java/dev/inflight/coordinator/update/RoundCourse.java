package dev.inflight.coordinator.update;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.update.UpdateCourse.Action;
import dev.inflight.protocol.cluster.WorkerEvent;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The course of one round, from the first orders to its members until its attempt has ended. Tells the attempt which
 * members the fleet has lost, and has hosts stand in for lost owners. Decisions only.
 */
final class RoundCourse {
    private final Round round;
    private final UpdateAttempt attempt;
    private final @Nullable OwnerRepair repair;
    private final boolean takenOver;
    private Fleet fleet;

    /**
     * @param updateId unique to the update; begins the ids of restores
     * @param takenOver whether its update was begun by a coordinator that is gone
     */
    RoundCourse(Round round, String updateId, boolean takenOver, Fleet fleet) {
        this.round = round;
        this.attempt = round.attempt();
        this.takenOver = takenOver;
        this.fleet = fleet;
        Preparation.Ready ready = round.ready();
        this.repair = ready == null
                ? null
                : new OwnerRepair(
                        updateId + "/" + attempt.epoch(), round.request().checkpoint(), ready.replaceable(), round);
    }

    List<Action> begin() {
        List<Action> actions = new ArrayList<>(toMembers(attempt.start()));
        // The fleet may have changed since the members were chosen.
        actions.addAll(onFleet(fleet));
        return actions;
    }

    List<Action> onFleet(Fleet next) {
        fleet = next;
        List<Send> sends = new ArrayList<>();
        round.members().forEach((id, worker) -> {
            if (!fleet.isLive(id, worker.ref())) {
                sends.addAll(attempt.lost(id));
            } else if (takenOver && attempt.state() == UpdateAttempt.State.COMMITTING) {
                // A worker answers to whom it was prepared by, who is gone; its state says it too.
                WorkerEvent outcome =
                        TakeOver.commitOutcome(round, fleet.workers().get(id));
                if (outcome != null) {
                    sends.addAll(attempt.on(outcome));
                }
            }
        });
        return follow(sends);
    }

    List<Action> onWorker(WorkerEvent event) {
        return follow(attempt.on(event));
    }

    /** @param epoch of which it was asked whether it may be committed */
    List<Action> onConfirmed(long epoch) {
        return attempt.epoch() == epoch ? follow(attempt.confirmed()) : List.of();
    }

    /**
     * @param failure null if the shards are back
     * @param bytes what was read for that
     */
    List<Action> onRestored(String restoreId, @Nullable String failure, long bytes) {
        if (repair == null) {
            return List.of();
        }
        List<Action> actions = new ArrayList<>(repair.answered(restoreId, failure, bytes));
        actions.addAll(follow(List.of()));
        return actions;
    }

    List<Action> resend() {
        return follow(attempt.resend());
    }

    /** It is not wanted any more; changes nothing after the commit point. */
    List<Action> cancel(String reason) {
        return follow(attempt.cancel(reason));
    }

    List<Action> onDeadline(String waited) {
        return follow(
                isRepairing() && state() == UpdateAttempt.State.STREAMING
                        ? attempt.cancel("shards of lost owners could not be loaded again within " + waited)
                        : attempt.deadline(waited));
    }

    /** Passes orders on, and has others stand in for owners that were lost. */
    private List<Action> follow(List<Send> sends) {
        List<Action> actions = new ArrayList<>(toMembers(sends));
        if (repair == null) {
            return actions;
        }
        actions.addAll(repair.follow(attempt, fleet));
        if (repair.failure() != null) {
            String lost = String.join(", ", attempt.lostOwners());
            actions.addAll(toMembers(attempt.cancel("nobody can stand in for lost " + lost + ": " + repair.failure())));
        }
        return actions;
    }

    private List<Action> toMembers(List<Send> sends) {
        return sends.stream()
                .<Action>map(send -> new UpdateCourse.ToWorkers(round, send))
                .toList();
    }

    /** How long the present state may last. */
    Duration limit(UpdateSettings settings) {
        return switch (state()) {
            case PREPARING -> settings.prepareTimeout();
            case BEGINNING -> settings.beginTimeout();
            case STREAMING -> isRepairing() ? settings.restoreTimeout() : settings.streamTimeout();
            case STAGED, COMMITTING, COMMITTED -> settings.commitTimeout();
            case ABORTING, ABORTED -> settings.abortTimeout();
        };
    }

    Round round() {
        return round;
    }

    UpdateAttempt.State state() {
        return attempt.state();
    }

    /** Shards of a lost owner are being loaded again. */
    boolean isRepairing() {
        return repair != null && repair.restoring();
    }

    /** What was done for owners that it lost; null if there was nothing to do. */
    UpdateResult.@Nullable Repair repaired() {
        return repair == null ? null : repair.result();
    }
}
