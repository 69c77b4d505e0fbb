package dev.inflight.coordinator.simulation;

import akka.actor.testkit.typed.Effect;
import akka.actor.testkit.typed.javadsl.BehaviorTestKit;
import akka.actor.testkit.typed.javadsl.TestInbox;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.Behaviors;
import dev.inflight.coordinator.Companions;
import dev.inflight.coordinator.CoordinatorSettings;
import dev.inflight.coordinator.Surroundings;
import dev.inflight.coordinator.UpdateCoordinator;
import dev.inflight.coordinator.canary.CheckResult;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.ledger.LedgerEvent;
import dev.inflight.coordinator.ledger.LedgerRecord;
import dev.inflight.coordinator.ledger.LedgerState;
import dev.inflight.coordinator.ledger.LedgerWriter;
import dev.inflight.coordinator.metrics.CoordinatorMetrics;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent.HostState;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.TrainerCommand;
import dev.inflight.protocol.cluster.Wire;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent.WorkerState;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** One life of the real coordinator and its sessions. What the fleet monitor would tell it, the simulation tells it. */
final class SimulatedCoordinator {
    private final World world;
    private final Runnable wake;
    private final SimulatedActor<Wire> actor;
    private final Map<ActorRef<?>, Child<?>> children = new LinkedHashMap<>();
    private final Set<ActorRef<HostStoreCommand>> hosts = new LinkedHashSet<>();
    private final Set<ActorRef<WorkerCommand>> workers = new LinkedHashSet<>();
    private final List<LedgerRecord> ledger;
    /** On their way to the disk. */
    private final Deque<LedgerWriter.Write> writes = new ArrayDeque<>();

    private @Nullable ActorRef<Fleet> listener;
    private @Nullable ActorRef<LedgerEvent> ledgerListener;
    private @Nullable ActorRef<LedgerWriter.Command> writer;
    private Fleet fleet = Fleet.EMPTY;
    /** The longest that a write takes. */
    private final long disk;

    private boolean alive = true;

    private static final Surroundings SURROUNDINGS = new Surroundings() {
        @Override
        public boolean reachesMajority(ActorSystem<?> system) {
            return true;
        }

        @Override
        public boolean isSettled(ActorSystem<?> system) {
            return false;
        }
    };

    /** A session, and what its parent is told when it has stopped. */
    private static final class Child<C> {
        final ActorRef<C> ref;
        final SimulatedActor<C> actor;

        @Nullable
        Object obituary;

        Child(ActorRef<C> ref, SimulatedActor<C> actor) {
            this.ref = ref;
            this.actor = actor;
        }
    }

    /**
     * @param ledger what coordinators before this one left on disk; grows
     * @param wake see {@link SimulatedActor}
     */
    SimulatedCoordinator(World world, CoordinatorSettings settings, List<LedgerRecord> ledger, Runnable wake) {
        this.world = world;
        this.ledger = ledger;
        this.disk = world.happens(0.5) ? 15 : 250;
        this.wake = wake;
        Behavior<Wire> behavior = UpdateCoordinator.create(
                settings,
                () -> TimeUnit.MILLISECONDS.toNanos(world.now()),
                () -> Instant.ofEpochMilli(1_000_000 + world.now()),
                new Companions(
                        listening -> {
                            listener = listening;
                            return Behaviors.ignore();
                        },
                        listening -> {
                            ledgerListener = listening;
                            return Behaviors.ignore();
                        },
                        SURROUNDINGS,
                        check -> CompletableFuture.completedFuture(CheckResult.PASSED)),
                new CoordinatorMetrics());
        this.actor = new SimulatedActor<>(world, BehaviorTestKit.create(behavior), this::onEffect, wake);
        pump();
        Objects.requireNonNull(ledgerListener).tell(new LedgerEvent.Recovered(LedgerState.of(ledger)));
        pump();
    }

    void kill() {
        alive = false;
        actor.kill();
        children.values().forEach(child -> child.actor.kill());
    }

    void listed(ActorRef<HostStoreCommand> host, ActorRef<WorkerCommand> worker) {
        hosts.add(host);
        workers.add(worker);
        become(fleet.withHosts(hosts).withWorkers(workers));
    }

    void delisted(ActorRef<HostStoreCommand> host, ActorRef<WorkerCommand> worker) {
        hosts.remove(host);
        workers.remove(worker);
        become(fleet.withHosts(hosts).withWorkers(workers));
    }

    void reported(ActorRef<WorkerCommand> ref, WorkerState state) {
        become(fleet.report(ref, state));
    }

    void reported(ActorRef<HostStoreCommand> ref, HostState state) {
        become(fleet.report(ref, state));
    }

    private void become(Fleet next) {
        fleet = next;
        Objects.requireNonNull(listener).tell(next);
        wake.run();
    }

    TestInbox<OperationReply> ask(Function<ActorRef<OperationReply>, TrainerCommand> command) {
        TestInbox<OperationReply> answers = world.inbox("trainer");
        actor.run(command.apply(answers.getRef()));
        wake.run();
        return answers;
    }

    /** Lets coordinator and sessions handle what they were told, until nothing is left. */
    void pump() {
        boolean more = true;
        while (more) {
            more = actor.pump();
            more |= keep();
            for (var child : Set.copyOf(children.values())) {
                more |= pump(child);
            }
        }
    }

    private boolean keep() {
        if (writer == null) {
            return false;
        }
        boolean told = false;
        for (LedgerWriter.Command command : actor.kit().childInbox(writer).getAllReceived()) {
            if (command instanceof LedgerWriter.Write write) {
                writes.add(write);
                world.in(world.between(0, disk), this::force);
            } else if (command instanceof LedgerWriter.Confirm asked) {
                asked.replyTo().tell(new LedgerWriter.Confirmed(asked.epoch()));
            } else if (command instanceof LedgerWriter.TellOperation tell) {
                tell.query().replyTo().tell(operation(tell.query().id()));
                told = true;
            }
        }
        return told;
    }

    /** One write after the other is durable; those that are not when it is killed are lost. */
    private void force() {
        if (alive) {
            var write = writes.remove();
            ledger.add(record(ledger, write));
            if (write.receipt() != null) {
                Objects.requireNonNull(ledgerListener).tell(new LedgerEvent.Kept(write.receipt(), true));
                wake.run();
            }
        }
    }

    private static LedgerRecord record(List<LedgerRecord> before, LedgerWriter.Write write) {
        return new LedgerRecord(1, before.size() + 1, write.entry());
    }

    private OperationReply operation(String id) {
        List<LedgerRecord> known = new ArrayList<>(ledger);
        writes.forEach(write -> known.add(record(known, write)));
        var state = LedgerState.of(known);
        for (var ended : state.ended()) {
            if (ended.operation().id().equals(id)) {
                return ended.asOperation();
            }
        }
        for (var started : state.unfinished()) {
            if (started.id().equals(id)) {
                return started.asOperation("running");
            }
        }
        for (var queued : state.queued()) {
            if (queued.id().equals(id)) {
                return queued.operation().asOperation("queued");
            }
        }
        return new Refused(Refused.Code.NOT_FOUND, "operation " + id + " is not known");
    }

    private <C> boolean pump(Child<C> child) {
        boolean any = false;
        for (C message : actor.kit().childInbox(child.ref).getAllReceived()) {
            child.actor.run(message);
            any = true;
        }
        any |= child.actor.pump();
        if (!child.actor.isAlive()) {
            children.remove(child.ref);
            // Its last words come before the news of its end.
            actor.pump();
            if (child.obituary != null && actor.isAlive()) {
                obituary(child.obituary);
                any = true;
            }
        }
        return any;
    }

    @SuppressWarnings("unchecked")
    private void obituary(Object message) {
        // The behavior takes more than its type says: its own messages.
        ((SimulatedActor<Object>) (SimulatedActor<?>) actor).run(message);
    }

    private void onEffect(Effect effect) {
        if (effect instanceof Effect.SpawnedAnonymous<?> spawned) {
            children.put(spawned.ref(), child(spawned.ref()));
        } else if (effect instanceof Effect.Spawned<?> named) {
            if (named.childName().equals(UpdateCoordinator.LEDGER)) {
                writer = named.ref().unsafeUpcast();
            }
        } else if (effect instanceof Effect.WatchedWith<?, ?> watched) {
            var child = children.get(watched.other());
            if (child != null) {
                child.obituary = watched.message();
            }
        }
    }

    private <C> Child<C> child(ActorRef<C> ref) {
        return new Child<>(ref, new SimulatedActor<>(world, actor.kit().childTestKit(ref), effect -> {}, wake));
    }
}
