package dev.inflight.coordinator.simulation;

import akka.actor.testkit.typed.javadsl.TestInbox;
import akka.actor.typed.ActorRef;
import dev.inflight.coordinator.CoordinatorSettings;
import dev.inflight.coordinator.fleet.ShardSet;
import dev.inflight.coordinator.ledger.LedgerEntry;
import dev.inflight.coordinator.ledger.LedgerRecord;
import dev.inflight.protocol.cluster.Canary;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.Origin;
import dev.inflight.protocol.cluster.TrainerCommand;
import dev.inflight.protocol.cluster.TrainerCommand.DecideCanary.Decision;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.plan.ShardRange;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * One schedule: a fleet that serves v1 is asked for updates while messages are lost, come late, twice or out of order, and
 * coordinator, worker hosts and engines crash and come back. Then everything heals, and must become whole by itself.
 */
final class Simulation implements SimulatedWorker.Fleetwide {
    static final String MODEL = "m";

    private static final List<String> VERSIONS = List.of("v1", "v2", "v3", "v4", "v9");
    private static final long TROUBLE = 12_000;
    /** All timeouts of an update and its restoring updates, and of joins that are tried again. */
    private static final long RECOVERY = 120_000;

    private final World world;
    private final CoordinatorSettings settings;
    private final Network network;
    private final List<SimulatedHost> hosts = new ArrayList<>();
    private final Map<String, CheckpointRef> checkpoints = new TreeMap<>();
    private final Map<Long, Epoch> epochs = new TreeMap<>();
    private final Map<String, Long> lastReport = new HashMap<>();
    private final List<LedgerRecord> ledger = new ArrayList<>();
    private final Map<String, Long> newestEpochs = new HashMap<>();
    private final double failure;
    /** How many requests are for canaries. */
    private final double canaries;
    /** How many requests are for updates that wait. */
    private final double patience;

    private final WaitingUpdates waiting;
    private final CanaryDecisions decisions;
    /** Hosts that are there and do not report to the coordinator, by the time until which. */
    private final Map<String, Long> silent = new HashMap<>();

    private @Nullable SimulatedCoordinator coordinator;
    private boolean trouble;
    private boolean pumping;
    private int coordinatorLives;

    /** What was seen of one epoch. */
    private static final class Epoch {
        final Set<String> receivers = new HashSet<>();
        final Set<String> staged = new HashSet<>();
        final Set<String> dropped = new HashSet<>();
        boolean committing;
    }

    private Simulation(long seed, CoordinatorSettings settings) {
        this.world = new World(seed);
        this.settings = settings;
        this.network = new Network(world);
        this.failure = world.happens(0.5) ? 0 : 0.02;
        this.canaries = world.happens(0.7) ? 0 : 0.5;
        this.patience = world.happens(0.6) ? 0 : 0.5;
        this.waiting = new WaitingUpdates(world);
        this.decisions = new CanaryDecisions(world, ledger);
        int count = (int) world.between(2, 4);
        for (String version : VERSIONS) {
            checkpoints.put(
                    version,
                    new CheckpointRef(
                            MODEL, version, "digest-" + version, "/ckpt/" + version, count, 1 << 20, 3, 12288, 4096));
        }
        for (var checkpoint : checkpoints.values()) {
            ledger.add(new LedgerRecord(
                    1, ledger.size() + 1, new LedgerEntry.Published(null, checkpoint, null, Instant.EPOCH)));
        }
        for (int i = 0; i < count; i++) {
            String name = "h" + i;
            var engine = new SimulatedEngine("engine-" + i, "v1");
            var host = new SimulatedHost(world, name, new SimulatedWorker(world, this, name, engine), this::report);
            for (var checkpoint : checkpoints.values()) {
                host.hold(checkpoint, ShardSet.of(List.of(new ShardRange(i, i))));
            }
            hosts.add(host);
        }
    }

    /** @throws Violation telling what went wrong and, as far as it is remembered, all that led to it */
    static void run(long seed, CoordinatorSettings settings) {
        var simulation = new Simulation(seed, settings);
        try {
            simulation.run();
        } catch (RuntimeException e) {
            var violation = new Violation("seed " + seed + ": " + e + "\n" + simulation.world.story());
            violation.addSuppressed(e);
            throw violation;
        }
    }

    private void run() {
        startCoordinator();
        world.runUntil(world.now() + 1_000);
        // So that the ledger knows what they serve.
        ask("v1");
        world.runUntil(world.now() + 2_000);
        trouble = true;
        network.disturb(
                world.chance.nextDouble() * 0.1, world.chance.nextDouble() * 0.1, world.chance.nextDouble() * 0.3);
        long end = world.now() + TROUBLE;
        requests(end);
        int faults = (int) world.between(0, 4);
        for (int i = 0; i < faults; i++) {
            world.in(world.between(0, TROUBLE), this::fault);
        }
        watchAnswers();
        world.runUntil(end);
        heal();
        awaitTurns();
        awaitWhole();
        lastUpdate();
    }

    // What is asked for.

    private void requests(long end) {
        world.in(world.between(10, 2_500), () -> {
            if (world.now() < end) {
                String version = VERSIONS.get((int) world.between(0, VERSIONS.size() - 2));
                if (coordinator != null && world.happens(patience)) {
                    waiting.ask(coordinator, version);
                    requests(end);
                    return;
                }
                if (coordinator != null && world.happens(patience / 2)) {
                    waiting.callOff(coordinator);
                    if (world.happens(0.3)) {
                        world.in(world.between(0, 100), this::fail);
                    }
                }
                var answers = world.happens(canaries) ? askForCanary(version) : ask(version);
                if (answers != null) {
                    world.in(50, () -> answers.getAllReceived().forEach(answer -> world.tell("answer: %s", answer)));
                }
                if (world.happens(canaries)) {
                    decide();
                }
                requests(end);
            }
        });
    }

    /** Somebody decides about a canary, if there is one. */
    private void decide() {
        if (coordinator != null) {
            Decision decision = world.happens(0.5) ? Decision.PROMOTE : Decision.REVERT;
            world.tell("decision: %s", decision);
            decisions.ask(coordinator, decision);
            if (world.happens(0.2)) {
                world.in(world.between(0, 100), this::fail);
            }
        }
    }

    private @Nullable TestInbox<OperationReply> ask(String version) {
        if (coordinator == null) {
            return null;
        }
        LoadMode mode = switch ((int) world.between(0, 2)) {
            case 0 -> LoadMode.IN_PLACE;
            case 1 -> LoadMode.SHADOW;
            default -> null;
        };
        world.tell("update to %s, %s", version, mode);
        return coordinator.ask(
                replyTo -> new TrainerCommand.UpdateWeights(MODEL, version, mode, "auto", null, replyTo));
    }

    private @Nullable TestInbox<OperationReply> askForCanary(String version) {
        if (coordinator == null) {
            return null;
        }
        var canary = new Canary(world.happens(0.5) ? "1" : "60%", world.between(50, 3_000), null);
        world.tell("canary of %s to %s", canary, version);
        return coordinator.ask(replyTo ->
                new TrainerCommand.CanaryUpdate(MODEL, version, null, "auto", null, canary, Origin.UNKNOWN, replyTo));
    }

    // What goes wrong.

    private void fault() {
        var host = hosts.get((int) world.between(0, hosts.size() - 1));
        switch ((int) world.between(0, 3)) {
            case 0 -> fail();
            case 1 -> {
                // One of them keeps what was published.
                if (host.isUp() && !host.name.equals("h0")) {
                    killHost(host);
                    world.in(world.between(500, 6_000), () -> restartHost(host));
                }
            }
            case 2 -> {
                if (host.worker.engine.isAlive()) {
                    world.tell("%s is killed", host.worker.engine.id);
                    host.worker.killEngine();
                    world.in(world.between(100, 4_000), () -> restartEngine(host));
                }
            }
            default -> {
                if (host.isUp() && !host.isCut()) {
                    cut(host);
                    world.in(world.between(200, 5_000), () -> mend(host));
                }
            }
        }
    }

    private void fail() {
        if (trouble && coordinator != null) {
            killCoordinator();
            world.in(world.between(500, 3_000), this::startCoordinator);
        }
    }

    private void heal() {
        world.tell("everything heals");
        trouble = false;
        network.heal();
        if (coordinator == null) {
            startCoordinator();
        }
        for (var host : hosts) {
            mend(host);
            restartHost(host);
            restartEngine(host);
        }
    }

    private void startCoordinator() {
        if (coordinator != null) {
            return;
        }
        world.tell("coordinator %d starts", ++coordinatorLives);
        coordinator = new SimulatedCoordinator(world, settings, ledger, this::pump);
        hosts.stream().filter(host -> host.isUp() && !host.isCut()).forEach(this::discover);
    }

    private void killCoordinator() {
        if (coordinator != null) {
            world.tell("coordinator %d is killed", coordinatorLives);
            coordinator.kill();
            coordinator = null;
            hosts.forEach(host -> host.worker.coordinatorGone());
        }
    }

    private void discover(SimulatedHost host) {
        var life = coordinator;
        var worker = host.worker.inbox().getRef();
        long silence = trouble && world.happens(0.1) ? world.between(100, 6_000) : 0;
        world.in(world.between(1, 100), () -> {
            if (life != null
                    && life == coordinator
                    && host.isUp()
                    && worker.equals(host.worker.inbox().getRef())) {
                silent.put(host.name, world.now() + silence);
                life.listed(host.inbox().getRef(), worker);
                world.in(silence, () -> {
                    if (life == coordinator && host.isUp()) {
                        report(host);
                        host.worker.subscribed();
                    }
                });
            }
        });
    }

    private boolean isSilent(SimulatedHost host) {
        return world.now() < silent.getOrDefault(host.name, 0L);
    }

    private void killHost(SimulatedHost host) {
        world.tell("%s is killed", host.name);
        var store = host.inbox().getRef();
        var worker = host.worker.inbox().getRef();
        host.kill();
        noticed(() -> {
            if (coordinator != null) {
                coordinator.delisted(store, worker);
            }
        });
    }

    private void restartHost(SimulatedHost host) {
        if (!host.isUp()) {
            world.tell("%s comes back", host.name);
            host.restart();
            discover(host);
        }
    }

    private void restartEngine(SimulatedHost host) {
        if (!host.worker.engine.isAlive()) {
            world.tell("%s comes back", host.worker.engine.id);
            host.worker.restartEngine();
        }
    }

    private void cut(SimulatedHost host) {
        world.tell("%s is cut off", host.name);
        host.cut(true);
        var store = host.inbox().getRef();
        var worker = host.worker.inbox().getRef();
        noticed(() -> {
            if (host.isCut() && coordinator != null) {
                coordinator.delisted(store, worker);
                host.worker.coordinatorGone();
            }
        });
    }

    private void mend(SimulatedHost host) {
        if (host.isCut()) {
            world.tell("%s is back in touch", host.name);
            host.cut(false);
            if (host.isUp()) {
                discover(host);
            }
        }
    }

    /** The failure detector takes its time. */
    private void noticed(Runnable then) {
        world.in(world.between(200, 900), then);
    }

    // Between the coordinator and the fleet.

    private void pump() {
        if (pumping) {
            return;
        }
        pumping = true;
        try {
            if (coordinator != null) {
                coordinator.pump();
            }
            for (var host : hosts) {
                for (var command : host.worker.inbox().getAllReceived()) {
                    seen(command, host.worker.id);
                    toHost(host, () -> host.worker.on(command));
                }
                for (var command : host.inbox().getAllReceived()) {
                    toHost(host, () -> host.on(command, network::send));
                }
            }
        } finally {
            pumping = false;
        }
    }

    private void toHost(SimulatedHost host, Runnable delivery) {
        var inbox = host.inbox();
        network.send(() -> {
            if (host.isUp() && !host.isCut() && inbox == host.inbox()) {
                delivery.run();
            }
        });
    }

    @Override
    public void answer(SimulatedWorker worker, ActorRef<WorkerEvent> to, WorkerEvent event) {
        network.send(() -> {
            if (!host(worker).isCut()) {
                to.tell(event);
                pump();
            }
        });
    }

    /** Reports of one actor to another neither get lost while both live nor overtake each other. */
    private void inOrder(String reporter, Runnable delivery) {
        long at = Math.max(lastReport.getOrDefault(reporter, 0L), world.now() + world.between(1, trouble ? 60 : 4));
        lastReport.put(reporter, at);
        world.in(at - world.now(), delivery);
    }

    @Override
    public void report(SimulatedWorker worker) {
        var life = coordinator;
        var ref = worker.inbox().getRef();
        var state = worker.state();
        if (isSilent(host(worker))) {
            return;
        }
        inOrder(worker.id, () -> {
            if (life != null && life == coordinator && !host(worker).isCut()) {
                life.reported(ref, state);
            }
        });
    }

    private void report(SimulatedHost host) {
        var life = coordinator;
        var ref = host.inbox().getRef();
        var state = host.state();
        if (isSilent(host)) {
            return;
        }
        inOrder(host.name, () -> {
            if (life != null && life == coordinator && !host.isCut()) {
                life.reported(ref, state);
            }
        });
    }

    private SimulatedHost host(SimulatedWorker worker) {
        return hosts.stream().filter(host -> host.worker == worker).findFirst().orElseThrow();
    }

    @Override
    public boolean reaches(String fromHost, String worker) {
        for (var host : hosts) {
            if ((host.name.equals(fromHost) || host.worker.id.equals(worker)) && (!host.isUp() || host.isCut())) {
                return false;
            }
        }
        return true;
    }

    @Override
    public double failure() {
        return trouble ? failure : 0;
    }

    // What must hold at any time.

    private void seen(WorkerCommand command, String worker) {
        switch (command) {
            case WorkerCommand.Prepare prepare -> {
                world.tell(
                        "prepare epoch %d (%s to %s) -> %s",
                        prepare.epoch(),
                        prepare.updateId(),
                        prepare.checkpoint().version(),
                        worker);
                long before = newestEpochs.getOrDefault(worker, 0L);
                if (prepare.epoch() <= before) {
                    throw new Violation("epoch " + prepare.epoch() + " is prepared on " + worker + " after " + before);
                }
                newestEpochs.put(worker, prepare.epoch());
                waiting.prepares(prepare.updateId());
                var epoch = epochs.computeIfAbsent(prepare.epoch(), number -> new Epoch());
                prepare.membership().workers().stream()
                        .filter(member -> member.receives())
                        .forEach(member -> epoch.receivers.add(member.id()));
            }
            case WorkerCommand.Drop drop -> {
                world.tell("drop %s from epoch %d -> %s", drop.worker(), drop.epoch(), worker);
                epoch(drop.epoch()).dropped.add(drop.worker());
            }
            case WorkerCommand.Commit commit -> {
                world.tell("commit epoch %d -> %s", commit.epoch(), worker);
                committing(commit.epoch());
            }
            case WorkerCommand.Abort abort ->
                world.tell("abort epoch %d (%s) -> %s", abort.epoch(), abort.reason(), worker);
            default -> {}
        }
    }

    /** The commit point: every receiver that was not dropped must have everything. */
    private void committing(long number) {
        var epoch = epoch(number);
        if (!epoch.committing) {
            epoch.committing = true;
            var missing = new HashSet<>(epoch.receivers);
            missing.removeAll(epoch.dropped);
            missing.removeAll(epoch.staged);
            if (!missing.isEmpty()) {
                throw new Violation("epoch " + number + " is committed although " + missing + " have not staged it");
            }
        }
    }

    private Epoch epoch(long number) {
        var epoch = epochs.get(number);
        if (epoch == null) {
            throw new Violation("epoch " + number + " was never prepared");
        }
        return epoch;
    }

    @Override
    public void staged(SimulatedWorker worker, long epoch) {
        epoch(epoch).staged.add(worker.id);
    }

    /** Clients ask all the time. */
    private void watchAnswers() {
        hosts.forEach(host -> host.worker.engine.answer());
        world.in(7, this::watchAnswers);
    }

    // What must hold in the end.

    private void awaitTurns() {
        long deadline = world.now() + RECOVERY;
        while (coordinator == null || !waiting.areOver(coordinator)) {
            if (world.now() >= deadline) {
                throw new Violation("updates wait for their turn " + RECOVERY + " ms after everything healed");
            }
            world.runUntil(world.now() + 100);
        }
        waiting.requireOrder();
    }

    private void awaitWhole() {
        long deadline = world.now() + RECOVERY;
        while (!isWhole()) {
            if (world.now() >= deadline) {
                throw new Violation("not whole " + RECOVERY + " ms after everything healed: " + describe());
            }
            world.runUntil(world.now() + 100);
        }
    }

    /** Every engine serves the same version and nothing is left of any update. */
    private boolean isWhole() {
        return hosts.stream().allMatch(host -> host.worker.isIdle() && host.worker.engine.version() != null)
                && hosts.stream()
                                .map(host -> host.worker.engine.version())
                                .distinct()
                                .count()
                        == 1;
    }

    /**
     * A fleet that was through all that takes another update: at the latest when what was still on its way has come and
     * every engine is back. One that comes back too late for it joins.
     */
    private void lastUpdate() {
        long deadline = world.now() + RECOVERY;
        boolean committed = false;
        while (!committed) {
            if (world.now() >= deadline) {
                throw new Violation("no update is committed any more: " + describe());
            }
            String id = accepted();
            committed = id != null && ended(id, deadline).state() == OperationReply.State.SUCCEEDED;
            world.runUntil(world.now() + 200);
        }
        while (!isWhole() || !hosts.stream().allMatch(host -> "v9".equals(host.worker.engine.version()))) {
            if (world.now() >= deadline) {
                throw new Violation("after the last update not all come to it: " + describe());
            }
            world.runUntil(world.now() + 100);
        }
    }

    private @Nullable String accepted() {
        var answers = ask("v9");
        long patience = world.now() + 5_000;
        while (answers != null && world.now() < patience) {
            world.runUntil(world.now() + 20);
            for (var answer : answers.getAllReceived()) {
                world.tell("answer: %s", answer);
                return answer instanceof Operation operation ? operation.id() : null;
            }
        }
        return null;
    }

    private Operation ended(String id, long deadline) {
        while (world.now() < deadline && coordinator != null) {
            var answers = coordinator.ask(replyTo -> new TrainerCommand.GetOperation(id, replyTo));
            for (var answer : answers.getAllReceived()) {
                if (answer instanceof Operation operation && operation.state() != OperationReply.State.RUNNING) {
                    return operation;
                }
            }
            world.runUntil(world.now() + 50);
        }
        throw new Violation("the last update " + id + " does not end: " + describe());
    }

    private String describe() {
        return String.join(
                "; ", hosts.stream().map(host -> host.worker.describe()).toList());
    }
}
