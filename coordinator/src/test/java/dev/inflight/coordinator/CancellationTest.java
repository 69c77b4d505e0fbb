package dev.inflight.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationEnded;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.ledger.LedgerEntry.UpdateQueued;
import dev.inflight.coordinator.ledger.LedgerWriter;
import dev.inflight.coordinator.ledger.Receipt;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.OperationReply.State;
import dev.inflight.protocol.cluster.Origin;
import dev.inflight.protocol.cluster.TrainerCommand.Cancel;
import java.time.Duration;
import java.time.Instant;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** Calling off an update that waits: certain once it is answered, and answered alike when it is said again. */
class CancellationTest {
    private static final ActorTestKit KIT = ActorTestKit.create();
    private static final Duration MOMENT = Duration.ofMillis(200);

    @AfterAll
    static void stop() {
        KIT.shutdownTestKit();
    }

    @Test
    void isAnsweredWhenTheLedgerHasIt() {
        LoneCoordinator coordinator = new LoneCoordinator(KIT, "", queued());
        TestProbe<OperationReply> first = coordinator.send(CancellationTest::cancel);
        LedgerWriter.Write write = coordinator.written(OperationEnded.class);
        assertThat(((OperationEnded) write.entry()).outcome()).isEqualTo("cancelled");
        TestProbe<OperationReply> second = coordinator.send(CancellationTest::cancel);
        // The ledger has that it waits, which is something else.
        coordinator.kept(new Receipt.Taken("update-1"));
        first.expectNoMessage(MOMENT);
        second.expectNoMessage(MOMENT);

        coordinator.kept(write.receipt());
        Operation answer = (Operation) first.receiveMessage();
        assertThat(answer.phase()).isEqualTo("cancelled");
        assertThat(answer.error()).isEqualTo("cancelled by ann before its turn came");
        assertThat(second.receiveMessage()).isEqualTo(answer);
        assertThat(answer(coordinator, answer)).as("said again").isEqualTo(answer);
    }

    @Test
    void withoutAMajorityItIsSaidSoAndWhoSaysItAgainIsAnsweredWhenThereIsOne() {
        LoneCoordinator coordinator = new LoneCoordinator(KIT, "", queued());
        TestProbe<OperationReply> first = coordinator.send(CancellationTest::cancel);
        LedgerWriter.Write write = coordinator.written(OperationEnded.class);
        coordinator.overdue(write.receipt());
        assertThat(first.receiveMessage()).isInstanceOfSatisfying(Refused.class, refused -> {
            assertThat(refused.code()).isEqualTo(Refused.Code.UNAVAILABLE);
            assertThat(refused.message()).contains("update-1", "no majority", "say it again");
        });

        TestProbe<OperationReply> second = coordinator.send(CancellationTest::cancel);
        LedgerWriter.Write again = coordinator.written(OperationEnded.class);
        assertThat(((OperationEnded) again.entry()).outcome()).isEqualTo("cancelled");
        second.expectNoMessage(MOMENT);
        coordinator.kept(again.receipt());
        assertThat(((Operation) second.receiveMessage()).phase()).isEqualTo("cancelled");
    }

    @Test
    void theNextCoordinatorAnswersFromTheLedger() {
        LoneCoordinator coordinator = new LoneCoordinator(KIT, "");
        Operation cancelled = ended("cancelled", State.FAILED);
        assertThat(answer(coordinator, cancelled)).isEqualTo(cancelled);
        for (Operation other : new Operation[] {ended("expired", State.FAILED), ended("committed", State.SUCCEEDED)}) {
            assertThat(answer(coordinator, other)).isInstanceOfSatisfying(Refused.class, refused -> {
                assertThat(refused.code()).isEqualTo(Refused.Code.CONFLICT);
                assertThat(refused.message()).contains("update-1", "in phase " + other.phase());
            });
        }
        assertThat(answer(coordinator, null))
                .isInstanceOfSatisfying(
                        Refused.class, refused -> assertThat(refused.code()).isEqualTo(Refused.Code.NOT_FOUND));
    }

    @Test
    void aLedgerInDoubtIsTheAnswer() {
        LoneCoordinator coordinator = new LoneCoordinator(KIT, "");
        TestProbe<OperationReply> answers = coordinator.send(CancellationTest::cancel);
        Refused doubt = new Refused(Refused.Code.UNAVAILABLE, "no majority");
        coordinator.asked().query().replyTo().tell(doubt);
        assertThat(answers.receiveMessage()).isEqualTo(doubt);
    }

    /** @param known what the ledger has; null for nothing */
    private static OperationReply answer(LoneCoordinator coordinator, @Nullable Operation known) {
        TestProbe<OperationReply> answers = coordinator.send(CancellationTest::cancel);
        LedgerWriter.TellOperation asked = coordinator.asked();
        assertThat(asked.query().id()).isEqualTo("update-1");
        assertThat(asked.durably()).isTrue();
        asked.query().replyTo().tell(known == null ? new Refused(Refused.Code.NOT_FOUND, "no operation") : known);
        return answers.receiveMessage();
    }

    private static Operation ended(String phase, State state) {
        return new Operation("update-1", "update", state, phase, 0, 0, null, null);
    }

    private static Cancel cancel(ActorRef<OperationReply> replyTo) {
        return new Cancel("update-1", new Origin("ann", null), replyTo);
    }

    private static UpdateQueued queued() {
        Instant now = Instant.now();
        OperationStarted start = new OperationStarted(
                "update-1", "update", "m", "v2", "digest-v2", "ann", null, null, null, "broadcast", null, now);
        return new UpdateQueued(start, "auto", null, now.plusSeconds(600), now);
    }
}
