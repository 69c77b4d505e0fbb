package dev.inflight.coordinator.simulation;

import akka.actor.testkit.typed.javadsl.TestInbox;
import dev.inflight.coordinator.fleet.ShardSet;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.cluster.HostStoreEvent.Held;
import dev.inflight.protocol.cluster.HostStoreEvent.HostState;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** A worker host's process: its store and its worker. */
final class SimulatedHost {
    final String name;
    final SimulatedWorker worker;
    private final World world;
    private final Consumer<SimulatedHost> report;
    private final Map<CheckpointRef, ShardSet> held = new HashMap<>();
    private TestInbox<HostStoreCommand> inbox;
    private boolean up = true;
    private boolean cut;
    private long incarnation;

    /** @param report tells the coordinator of the store's state, if there is a coordinator */
    SimulatedHost(World world, String name, SimulatedWorker worker, Consumer<SimulatedHost> report) {
        this.world = world;
        this.name = name;
        this.worker = worker;
        this.report = report;
        this.inbox = world.inbox(name);
    }

    TestInbox<HostStoreCommand> inbox() {
        return inbox;
    }

    boolean isUp() {
        return up;
    }

    boolean isCut() {
        return cut;
    }

    void cut(boolean isCut) {
        cut = isCut;
    }

    void hold(CheckpointRef checkpoint, ShardSet shards) {
        held.merge(checkpoint, shards, ShardSet::plus);
    }

    void kill() {
        up = false;
        incarnation++;
        held.clear();
        worker.kill();
    }

    void restart() {
        up = true;
        inbox = world.inbox(name);
        worker.restart();
    }

    void on(HostStoreCommand command, Consumer<Runnable> network) {
        if (!up) {
            return;
        }
        switch (command) {
            case HostStoreCommand.Restore restore -> {
                long life = incarnation;
                world.in(world.between(20, 400), () -> {
                    if (up && life == incarnation) {
                        hold(restore.checkpoint(), ShardSet.of(restore.shards()));
                        report.accept(this);
                        HostStoreEvent loaded = new HostStoreEvent.Loaded(
                                name, restore.publishId(), restore.checkpoint().digest(), 1, 0, 0);
                        network.accept(() -> restore.replyTo().tell(loaded));
                    }
                });
            }
            case HostStoreCommand.Release release -> {
                held.keySet().removeIf(checkpoint -> checkpoint.digest().equals(release.digest()));
                report.accept(this);
            }
            default -> {}
        }
    }

    HostState state() {
        List<Held> list = new ArrayList<>();
        held.forEach((checkpoint, shards) -> list.add(new Held(checkpoint, shards.ranges())));
        return new HostState(name, name + ":1", list);
    }
}
