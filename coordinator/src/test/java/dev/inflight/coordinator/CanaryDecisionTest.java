package dev.inflight.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import dev.inflight.coordinator.ledger.LedgerEntry.CanaryMoved;
import dev.inflight.coordinator.ledger.LedgerEntry.CanaryPhase;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.ledger.LedgerEntry.Published;
import dev.inflight.coordinator.ledger.LedgerWriter;
import dev.inflight.coordinator.ledger.Receipt;
import dev.inflight.protocol.cluster.Canary;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.OperationReply.State;
import dev.inflight.protocol.cluster.Origin;
import dev.inflight.protocol.cluster.TrainerCommand.DecideCanary;
import dev.inflight.protocol.cluster.TrainerCommand.DecideCanary.Decision;
import dev.inflight.protocol.cluster.WorkerCommand;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** Promoting or reverting a canary: certain once it is answered, and answered alike when it is said again. */
class CanaryDecisionTest {
    private static final ActorTestKit KIT = ActorTestKit.create();
    private static final Duration MOMENT = Duration.ofMillis(200);
    private static final String CANARY = "canary-1";
    private static final Instant NOW = Instant.now();

    private final TestFleet fleet = new TestFleet(KIT)
            .host(
                    "h1",
                    TestFleet.held(TestFleet.checkpoint("v1", 1), 0, 0),
                    TestFleet.held(TestFleet.checkpoint("v2", 1), 0, 0))
            .host("h2")
            .worker("h1/0", TestFleet.serving("e1", "v2"))
            .worker("h2/0", TestFleet.serving("e2", "v1"));

    @AfterAll
    static void stop() {
        KIT.shutdownTestKit();
    }

    @Test
    void isAnsweredWhenAMajorityHasIt() {
        LoneCoordinator coordinator = coordinator(CanaryPhase.HOLDING, null);
        TestProbe<OperationReply> first = decide(coordinator, Decision.PROMOTE);
        LedgerWriter.Write write = written(coordinator, CanaryPhase.PROMOTING);
        TestProbe<OperationReply> second = decide(coordinator, Decision.PROMOTE);
        // What the ledger has of the canary is something else.
        coordinator.kept(new Receipt.Taken(CANARY));
        coordinator.kept(new Receipt.CanaryMove("canary-2", 1));
        coordinator.kept(new Receipt.CalledOff(CANARY));
        first.expectNoMessage(MOMENT);
        second.expectNoMessage(MOMENT);

        coordinator.kept(write.receipt());
        assertPhase(first, "promoting");
        assertPhase(second, "promoting");
        assertPhase(decide(coordinator, Decision.PROMOTE), "promoting");
        assertThat(refused(decide(coordinator, Decision.REVERT)).code()).isEqualTo(Refused.Code.CONFLICT);
    }

    @Test
    void withoutAMajorityItIsSaidSoAndWhoSaysItAgainIsAnsweredWhenThereIsOne() {
        LoneCoordinator coordinator = coordinator(CanaryPhase.HOLDING, null);
        TestProbe<OperationReply> first = decide(coordinator, Decision.REVERT);
        LedgerWriter.Write write = written(coordinator, CanaryPhase.REVERTING);
        coordinator.overdue(write.receipt());
        Refused doubt = refused(first);
        assertThat(doubt.code()).isEqualTo(Refused.Code.UNAVAILABLE);
        assertThat(doubt.message()).contains(CANARY, "is reverting", "no majority", "say it again");

        TestProbe<OperationReply> second = decide(coordinator, Decision.REVERT);
        LedgerWriter.Write again = written(coordinator, CanaryPhase.REVERTING);
        assertThat(again.entry()).as("the same decision").isEqualTo(write.entry());
        second.expectNoMessage(MOMENT);
        coordinator.kept(again.receipt());
        assertPhase(second, "reverting");
        WorkerCommand.Prepare back =
                Objects.requireNonNull(fleet.workers.get("h1/0")).expectMessageClass(WorkerCommand.Prepare.class);
        assertThat(back.checkpoint().version()).as("it goes back all the same").isEqualTo("v1");
    }

    @Test
    void theNextCoordinatorEntersAgainWhatPerhapsASingleReplicaHad() {
        LoneCoordinator coordinator = coordinator(CanaryPhase.PROMOTING, "operator");
        TestProbe<OperationReply> answers = decide(coordinator, Decision.PROMOTE);
        LedgerWriter.Write write = written(coordinator, CanaryPhase.PROMOTING);
        answers.expectNoMessage(MOMENT);
        coordinator.kept(write.receipt());
        assertPhase(answers, "promoting");
    }

    @Test
    void aRevertWhileTheFirstEnginesUpdateIsRememberedBeforeItIsAnswered() {
        LoneCoordinator coordinator = coordinator(CanaryPhase.UPDATING, null);
        TestProbe<OperationReply> answers = decide(coordinator, Decision.REVERT);
        LedgerWriter.Write write = written(coordinator, CanaryPhase.UPDATING);
        assertThat(((CanaryMoved) write.entry()).detectedBy()).isEqualTo("operator");
        answers.expectNoMessage(MOMENT);
        coordinator.kept(write.receipt());
        assertPhase(answers, "canary-updating");
    }

    @Test
    void aboutOneThatHasEndedTheLedgerAnswersOrIsInDoubt() {
        LoneCoordinator coordinator = new LoneCoordinator(KIT, "");
        Operation promoted = new Operation(CANARY, "canary", State.SUCCEEDED, "promoted", 0, 0, null, null);
        Refused doubt = new Refused(Refused.Code.UNAVAILABLE, "no majority");
        for (OperationReply known : List.of(promoted, doubt)) {
            TestProbe<OperationReply> answers = decide(coordinator, Decision.PROMOTE);
            LedgerWriter.TellOperation asked = coordinator.asked();
            assertThat(asked.durably()).isTrue();
            asked.query().replyTo().tell(known);
            assertThat(answers.receiveMessage()).isEqualTo(known);
        }
    }

    /** One that takes over a canary of h1/0, and goes on with it. */
    private LoneCoordinator coordinator(CanaryPhase phase, @Nullable String detectedBy) {
        OperationStarted start = new OperationStarted(
                CANARY, "canary", "m", "v2", "digest-v2", null, null, null, null, "auto", null, NOW);
        CanaryMoved state = new CanaryMoved(
                CANARY,
                new Canary("1", 600_000L, null),
                phase,
                new TreeSet<>(List.of("h1/0")),
                new TreeMap<>(Map.of("h1/0", 1L)),
                "v1",
                phase == CanaryPhase.UPDATING ? null : NOW,
                detectedBy,
                null,
                NOW);
        LoneCoordinator coordinator = new LoneCoordinator(KIT, "", published("v1"), published("v2"), start, state);
        coordinator.tell(fleet.view());
        coordinator.awaitPhase(CANARY, phase.label());
        return coordinator;
    }

    private static Published published(String version) {
        return new Published(null, TestFleet.checkpoint(version, 1), null, NOW);
    }

    private static TestProbe<OperationReply> decide(LoneCoordinator coordinator, Decision decision) {
        return coordinator.send(
                replyTo -> new DecideCanary(CANARY, null, decision, null, null, Origin.UNKNOWN, replyTo));
    }

    private static LedgerWriter.Write written(LoneCoordinator coordinator, CanaryPhase phase) {
        LedgerWriter.Write write = coordinator.written(CanaryMoved.class);
        assertThat(((CanaryMoved) write.entry()).phase()).isEqualTo(phase);
        return write;
    }

    private static void assertPhase(TestProbe<OperationReply> answers, String phase) {
        assertThat(answers.receiveMessage()).isInstanceOfSatisfying(Operation.class, operation -> {
            assertThat(operation.id()).isEqualTo(CANARY);
            assertThat(operation.phase()).isEqualTo(phase);
        });
    }

    private static Refused refused(TestProbe<OperationReply> answers) {
        return answers.expectMessageClass(Refused.class);
    }
}
