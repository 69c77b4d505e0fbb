package dev.inflight.coordinator.ledger;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import dev.inflight.coordinator.ledger.TermCheck.Term;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

class TermCheckTest {
    private static final ActorTestKit KIT = ActorTestKit.create();
    private static final Term TERM = new Term(7, "me");
    private static final Set<String> VOTERS = Set.of("a", "b", "c");
    private static final Duration NOT_TOLD = Duration.ofMillis(100);

    private final List<TestProbe<ReplicaCommand>> replicas =
            List.of(KIT.createTestProbe(), KIT.createTestProbe(), KIT.createTestProbe());
    private final TestProbe<String> asker = KIT.createTestProbe();

    @AfterAll
    static void stop() {
        KIT.shutdownTestKit();
    }

    @Test
    void saysYesOnceAMajorityObeys() {
        start(Duration.ofSeconds(30));
        answer(0, new ReplicaEvent.Promised("a", 7, Position.NONE));
        asker.expectNoMessage(NOT_TOLD);
        answer(2, new ReplicaEvent.Promised("c", 7, Position.NONE));
        asker.expectMessage("confirmed");
    }

    @Test
    void countsNoReplicaTwiceNorOneThatHasNoVote() {
        start(Duration.ofSeconds(30));
        ActorRef<ReplicaEvent> answers = promise(0).replyTo();
        answers.tell(new ReplicaEvent.Promised("a", 7, Position.NONE));
        answers.tell(new ReplicaEvent.Promised("a", 7, Position.NONE));
        answers.tell(new ReplicaEvent.Promised("newcomer", 7, Position.NONE));
        asker.expectNoMessage(NOT_TOLD);
    }

    @Test
    void saysNothingWhenReplicasObeyALaterCoordinator() {
        start(Duration.ofSeconds(30));
        answer(0, new ReplicaEvent.Promised("a", 7, Position.NONE));
        answer(1, new ReplicaEvent.Deposed("b", 8));
        answer(2, new ReplicaEvent.Deposed("c", 8));
        asker.expectNoMessage(NOT_TOLD);
    }

    @Test
    void givesUpAndTakesNoLateAnswer() {
        ActorRef<TermCheck.Event> check = start(Duration.ofMillis(50));
        ActorRef<ReplicaEvent> answers = promise(0).replyTo();
        asker.expectTerminated(check);
        answers.tell(new ReplicaEvent.Promised("a", 7, Position.NONE));
        answers.tell(new ReplicaEvent.Promised("b", 7, Position.NONE));
        asker.expectNoMessage(NOT_TOLD);
    }

    private ActorRef<TermCheck.Event> start(Duration limit) {
        return KIT.spawn(TermCheck.create(
                TERM,
                VOTERS,
                replicas.stream().map(TestProbe::getRef).toList(),
                limit,
                () -> asker.getRef().tell("confirmed")));
    }

    private ReplicaCommand.Promise promise(int replica) {
        ReplicaCommand.Promise asked = replicas.get(replica).expectMessageClass(ReplicaCommand.Promise.class);
        assertThat(asked.term()).isEqualTo(7);
        assertThat(asked.writer()).isEqualTo("me");
        return asked;
    }

    private void answer(int replica, ReplicaEvent event) {
        promise(replica).replyTo().tell(event);
    }
}
