package dev.inflight.coordinator.simulation;

import akka.actor.testkit.typed.javadsl.TestInbox;
import dev.inflight.coordinator.ledger.LedgerEntry.NeverBegan;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.Origin;
import dev.inflight.protocol.cluster.TrainerCommand.Cancel;
import dev.inflight.protocol.cluster.TrainerCommand.Enqueue;
import dev.inflight.protocol.cluster.TrainerCommand.GetOperation;
import dev.inflight.protocol.cluster.TrainerCommand.UpdateWeights;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Trainers whose updates wait for their turn, and who call some off. What a coordinator has answered holds for those that
 * come after it: an update that was taken ends, in its turn, and one that was called off does not begin.
 */
final class WaitingUpdates {
    /** How often, and how many times, it is looked for an answer. */
    private static final int ANSWER = 8;

    private static final int LOOKS = 40;

    private record Asked(String version, TestInbox<OperationReply> answers) {}

    private final World world;
    private final List<Asked> asked = new ArrayList<>();
    /** In the order in which they came. */
    private final Set<String> taken = new LinkedHashSet<>();

    private final Set<String> begun = new LinkedHashSet<>();
    private final Set<String> calledOff = new HashSet<>();

    WaitingUpdates(World world) {
        this.world = world;
    }

    void ask(SimulatedCoordinator coordinator, String version) {
        long patience = world.between(200, 20_000);
        world.tell("update to %s, waits %d ms", version, patience);
        asked.add(new Asked(
                version,
                coordinator.ask(replyTo -> new Enqueue(
                        new UpdateWeights(Simulation.MODEL, version, null, "auto", null, replyTo), patience))));
        look();
    }

    /** One that was taken, whether it waits or not. */
    void callOff(SimulatedCoordinator coordinator) {
        if (!taken.isEmpty()) {
            String id = List.copyOf(taken).get((int) world.between(0, taken.size() - 1));
            world.tell("call off %s", id);
            var answers = coordinator.ask(replyTo -> new Cancel(id, Origin.UNKNOWN, replyTo));
            lookAgain(() -> answers.getAllReceived().forEach(answer -> {
                world.tell("answer: %s", answer);
                if (isCalledOff(answer)) {
                    calledOff.add(id);
                }
            }));
        }
    }

    private void look() {
        lookAgain(() -> {
            for (var one : asked) {
                one.answers().getAllReceived().forEach(answer -> {
                    world.tell("answer: %s", answer);
                    if (answer instanceof Operation operation) {
                        taken.add(operation.id());
                    }
                });
            }
        });
    }

    /** Answers come when the ledger has what they are about. */
    private void lookAgain(Runnable look) {
        for (int times = 1; times <= LOOKS; times++) {
            world.in((long) ANSWER * times, look);
        }
    }

    private static boolean isCalledOff(OperationReply answer) {
        return answer instanceof Operation operation && operation.phase().equals(NeverBegan.CANCELLED.label());
    }

    /** A worker is told to prepare. */
    void prepares(String id) {
        // One that a worker has still from a coordinator before is restored under its id.
        if (begun.add(id) && calledOff.contains(id)) {
            throw new Violation("update " + id + " begins after it was called off");
        }
    }

    /** Whether all that were taken have ended. */
    boolean areOver(SimulatedCoordinator coordinator) {
        return taken.stream().allMatch(id -> {
            var answers = coordinator.ask(replyTo -> new GetOperation(id, replyTo));
            for (var answer : answers.getAllReceived()) {
                if (!(answer instanceof Operation operation)) {
                    throw new Violation("update " + id + " was taken, and now: " + answer);
                }
                if (operation.state() != OperationReply.State.RUNNING) {
                    return true;
                }
            }
            return false;
        });
    }

    void requireOrder() {
        List<String> inTurn = new ArrayList<>(taken);
        inTurn.retainAll(begun);
        List<String> asBegun = new ArrayList<>(begun);
        asBegun.retainAll(taken);
        if (!inTurn.equals(asBegun)) {
            throw new Violation("updates came as " + inTurn + " and began as " + asBegun);
        }
    }
}
