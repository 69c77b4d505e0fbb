package dev.inflight.coordinator.simulation;

import dev.inflight.coordinator.ledger.LedgerEntry.CanaryMoved;
import dev.inflight.coordinator.ledger.LedgerRecord;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.Origin;
import dev.inflight.protocol.cluster.TrainerCommand.DecideCanary;
import dev.inflight.protocol.cluster.TrainerCommand.DecideCanary.Decision;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Somebody promotes or reverts canaries. What a coordinator has answered is on disk, and no coordinator after it answers
 * that the opposite is done.
 */
final class CanaryDecisions {
    /** How often, and how many times, it is looked for an answer. */
    private static final int ANSWER = 8;

    private static final int LOOKS = 40;

    private final World world;
    private final List<LedgerRecord> ledger;
    private final Map<String, Decision> taken = new HashMap<>();

    /** @param ledger what is on disk */
    CanaryDecisions(World world, List<LedgerRecord> ledger) {
        this.world = world;
        this.ledger = ledger;
    }

    /** Of the canary that runs, if there is one. */
    void ask(SimulatedCoordinator coordinator, Decision decision) {
        world.tell("decision: %s", decision);
        var answers = coordinator.ask(
                replyTo -> new DecideCanary(null, Simulation.MODEL, decision, null, null, Origin.UNKNOWN, replyTo));
        for (int times = 1; times <= LOOKS; times++) {
            world.in(
                    (long) ANSWER * times,
                    () -> answers.getAllReceived().forEach(answer -> {
                        world.tell("answer: %s", answer);
                        if (answer instanceof Operation canary && canary.state() == OperationReply.State.RUNNING) {
                            answered(canary.id(), decision);
                        }
                    }));
        }
    }

    private void answered(String canary, Decision decision) {
        if (ledger.stream().noneMatch(record -> says(record, canary, decision))) {
            throw new Violation(canary + ": " + decision + " is answered and not on disk");
        }
        Decision former = taken.put(canary, decision);
        if (former != null && former != decision && !isPromotionUndone(canary, decision)) {
            throw new Violation(canary + ": " + decision + " is answered after " + former);
        }
    }

    private static boolean says(LedgerRecord record, String canary, Decision decision) {
        return record.entry() instanceof CanaryMoved moved
                && moved.operation().equals(canary)
                && switch (moved.phase()) {
                    case UPDATING -> decision == Decision.REVERT && moved.detectedBy() != null;
                    case HOLDING -> false;
                    case PROMOTING -> decision == Decision.PROMOTE;
                    case REVERTING -> decision == Decision.REVERT;
                };
    }

    /** One whose update failed goes back, whatever was decided. */
    private boolean isPromotionUndone(String canary, Decision decision) {
        return decision == Decision.REVERT
                && ledger.stream()
                        .anyMatch(record -> says(record, canary, decision)
                                && "update".equals(((CanaryMoved) record.entry()).detectedBy()));
    }
}
