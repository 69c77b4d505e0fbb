package dev.inflight.coordinator.update;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetHost;
import dev.inflight.coordinator.fleet.ShardSet;
import dev.inflight.coordinator.update.UpdateCourse.Action;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.plan.Membership;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Has other hosts take what a leaving host alone holds of published checkpoints. Decisions only. It is over when nothing
 * more can be taken over and none of the host's workers takes part in anything.
 */
final class HandOver {
    private final FleetHost leaving;
    private final Collection<CheckpointRef> published;
    private final List<LostShards> restores = new ArrayList<>();
    private final List<String> failures = new ArrayList<>();
    private Fleet fleet;

    /** @param published checkpoints whose shards are to stay */
    HandOver(FleetHost leaving, Collection<CheckpointRef> published, Fleet fleet) {
        this.leaving = leaving;
        this.published = List.copyOf(published);
        this.fleet = fleet;
    }

    List<Action> begin() {
        List<Action> actions = new ArrayList<>();
        for (CheckpointRef checkpoint : published) {
            ShardSet alone = alone(checkpoint);
            if (!alone.isEmpty()) {
                String prefix = "leave-" + leaving.name() + "/" + checkpoint.digest();
                LostShards restore = new LostShards(prefix, checkpoint, lost(checkpoint, alone), fleet);
                restores.add(restore);
                actions.addAll(restore.begin());
                settle(restore);
            }
        }
        return actions;
    }

    /** Shards that no host holds which stays. */
    private ShardSet alone(CheckpointRef checkpoint) {
        ShardSet alone = leaving.shards(checkpoint);
        for (FleetHost host : staying()) {
            alone = alone.minus(host.shards(checkpoint));
        }
        return alone;
    }

    private Preparation.ShardsLost lost(CheckpointRef checkpoint, ShardSet alone) {
        List<String> holders = new ArrayList<>();
        List<String> others = new ArrayList<>();
        staying().forEach(host -> (host.shards(checkpoint).isEmpty() ? others : holders).add(host.name()));
        return new Preparation.ShardsLost(alone, holders, others);
    }

    /** The leaving host, which gives what nobody can read from files. */
    Membership.Host source(CheckpointRef checkpoint) {
        return new Membership.Host(
                leaving.name(), leaving.endpoint(), leaving.shards(checkpoint).ranges(), leaving.place(), List.of(), 0);
    }

    private List<FleetHost> staying() {
        return fleet.hosts().values().stream()
                .filter(host -> !host.leaving() && !host.name().equals(leaving.name()))
                .toList();
    }

    List<Action> onFleet(Fleet next) {
        fleet = next;
        return all(restore -> restore.onFleet(next));
    }

    /** @param failure null if the shards are there */
    List<Action> onRestored(String restoreId, @Nullable String failure) {
        return all(restore -> restore.answered(restoreId, failure));
    }

    private interface Step {
        List<Action> of(LostShards restore);
    }

    private List<Action> all(Step step) {
        List<Action> actions = new ArrayList<>();
        for (LostShards restore : List.copyOf(restores)) {
            actions.addAll(step.of(restore));
            settle(restore);
        }
        return actions;
    }

    private void settle(LostShards restore) {
        String failure = restore.failure();
        if (failure != null) {
            failures.add(failure);
        }
        if (failure != null || restore.done()) {
            restores.remove(restore);
        }
    }

    /** @param claimed workers that take part in something */
    boolean isOver(Set<String> claimed) {
        return restores.isEmpty()
                && fleet.workers().values().stream()
                        .noneMatch(worker -> worker.host().equals(leaving.name()) && claimed.contains(worker.id()));
    }

    /** Whether the host has gone, so that nobody is left to be dismissed. */
    boolean isGone() {
        return !fleet.isLiveHost(leaving.name(), leaving.ref());
    }

    /** What could not be taken over, and why. */
    List<String> failures() {
        return failures;
    }
}
