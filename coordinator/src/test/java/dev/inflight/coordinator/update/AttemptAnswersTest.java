package dev.inflight.coordinator.update;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.coordinator.update.UpdateAttempt.State;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.Aborted;
import dev.inflight.protocol.cluster.WorkerEvent.Begun;
import dev.inflight.protocol.cluster.WorkerEvent.Committed;
import dev.inflight.protocol.cluster.WorkerEvent.Prepared;
import dev.inflight.protocol.cluster.WorkerEvent.Progress;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.cluster.WorkerEvent.Staged;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class AttemptAnswersTest {
    private final AttemptMembers members =
            new AttemptMembers(Set.of("a", "b", "source"), Set.of("a", "b"), Map.of("b", "e-b"), Set.of());
    private final AttemptAnswers answers = new AttemptAnswers(members);

    @Test
    void eachStateTakesTheAnswersToWhatItAsksAndNoOthers() {
        Map<WorkerEvent, Set<State>> wanted = Map.of(
                new Prepared("a", 7, "p"),
                EnumSet.of(State.PREPARING),
                new Begun("a", 7),
                EnumSet.of(State.BEGINNING),
                staged("a", 1),
                EnumSet.of(State.STREAMING, State.STAGED, State.COMMITTING),
                new Committed("a", 7, 1),
                EnumSet.of(State.COMMITTING),
                new Aborted("a", 7, null),
                EnumSet.of(State.ABORTING));
        wanted.forEach((answer, in) -> {
            for (State state : State.values()) {
                assertThat(answers.take(state, answer))
                        .as("%s in %s", answer, state)
                        .isEqualTo(in.contains(state));
            }
        });
    }

    @Test
    void waitsForEveryMemberToPrepareAndBeginAndForReceiversToStageAndCommit() {
        for (State state : List.of(State.PREPARING, State.BEGINNING, State.ABORTING)) {
            assertThat(answers.awaited(state)).containsExactly("a", "b", "source");
        }
        for (State state : List.of(State.STREAMING, State.COMMITTING)) {
            assertThat(answers.awaited(state)).containsExactly("a", "b");
        }
        assertThat(answers.awaited(State.STAGED)).isEmpty();
        answers.take(State.STREAMING, staged("a", 1));
        assertThat(answers.awaited(State.STREAMING)).containsExactly("b");
    }

    @Test
    void waitsForNobodyThatWasDroppedNorAfterAnAbortForWhoWasLost() {
        members.drop("b", "lost");
        members.lose("source");
        assertThat(answers.awaited(State.PREPARING)).containsExactly("a", "source");
        assertThat(answers.awaited(State.ABORTING)).containsExactly("a");
        assertThat(answers.uncommitted()).containsExactly("a");
    }

    @Test
    void aReceiverIsEitherLiveOrNotAndItsOwnWordCounts() {
        answers.notLive("a", "lost");
        answers.notLive("a", "did not answer");
        assertThat(answers.failures()).isEqualTo(Map.of("a", "lost"));
        assertThat(answers.awaited(State.COMMITTING)).containsExactly("b");
        answers.take(State.COMMITTING, new Committed("a", 7, 1));
        answers.notLive("a", "lost");
        assertThat(answers.failures()).isEmpty();
        assertThat(answers.committed()).containsOnlyKeys("a");
    }

    @Test
    void onlyReceiversFailAndTheDroppedAreAmongThem() {
        members.drop("b", "its engine is gone");
        answers.notLive("source", "lost");
        assertThat(answers.failures()).isEqualTo(Map.of("b", "its engine is gone"));
    }

    @Test
    void bytesNeverGoDownAndAreThoseOfReceivers() {
        answers.progress(new Progress("a", 7, 50, 20));
        answers.progress(new Progress("a", 7, 40, 30));
        answers.progress(new Progress("source", 7, 1000, 1000));
        answers.take(State.STREAMING, staged("b", 100));
        assertThat(answers.loadedBytes()).isEqualTo(150);
        assertThat(answers.movedBytes()).isEqualTo(180);
    }

    @Test
    void aPlanIsAgreedOnOnceEveryMemberThatWasNotDroppedHasIt() {
        answers.take(State.PREPARING, new Prepared("a", 7, "p"));
        answers.take(State.PREPARING, new Prepared("b", 7, "q"));
        assertThat(answers.planDigest()).isNull();
        assertThat(answers.plansDiffer()).isTrue();
        members.drop("b", "lost");
        answers.forget("b");
        answers.take(State.PREPARING, new Prepared("source", 7, "p"));
        assertThat(answers.planDigest()).isEqualTo("p");
        assertThat(answers.plansDiffer()).isFalse();
    }

    private static Staged staged(String worker, long bytes) {
        return new Staged(worker, 7, new StageReport(1, 1, 1, 1, 1, bytes, 0));
    }
}
