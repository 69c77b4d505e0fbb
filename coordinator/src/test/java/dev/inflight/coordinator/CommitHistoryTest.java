package dev.inflight.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.TestInbox;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent.WorkerState;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class CommitHistoryTest {
    private static final String MODEL = "m";

    private final CommitHistory history = new CommitHistory();

    @Test
    void knowsNothingOfEnginesThatNeverHadAnotherVersion() {
        assertThat(history.previous(MODEL, null)).isNull();
        history.updated(MODEL, null, Set.of(), "v1");
        assertThat(history.previous(MODEL, null)).isNull();
    }

    @Test
    void knowsWhatEnginesHadBeforeTheFirstUpdateItSaw() {
        history.updated(MODEL, null, Set.of("v1"), "v2");
        assertThat(history.previous(MODEL, null)).isEqualTo("v1");
        assertThat(history.previous("other", null)).isNull();
    }

    @Test
    void aSecondRollbackGoesFurtherBackAndNotForward() {
        history.updated(MODEL, null, Set.of("v1"), "v2");
        history.updated(MODEL, null, Set.of("v2"), "v3");
        history.rolledBack(MODEL, null, "v2");
        assertThat(history.previous(MODEL, null)).isEqualTo("v1");
        history.rolledBack(MODEL, null, "v1");
        assertThat(history.previous(MODEL, null)).isNull();
        history.updated(MODEL, null, Set.of("v1"), "v4");
        assertThat(history.previous(MODEL, null)).isEqualTo("v1");
    }

    @Test
    void aVersionThatIsTakenAgainIsNotItsOwnPredecessor() {
        history.updated(MODEL, null, Set.of("v1"), "v2");
        history.updated(MODEL, null, Set.of("v2"), "v2");
        assertThat(history.previous(MODEL, null)).isEqualTo("v1");
        history.updated(MODEL, null, Set.of("v2"), "v1");
        assertThat(history.previous(MODEL, null)).isEqualTo("v2");
    }

    @Test
    void enginesThatHadSeveralVersionsHaveNoneToGoBackToTogether() {
        history.updated(MODEL, null, Set.of("v1", "v2"), "v3");
        assertThat(history.previous(MODEL, null)).isNull();
    }

    @Test
    void aGroupGoesBackByItself() {
        history.updated(MODEL, null, Set.of("v1"), "v2");
        history.updated(MODEL, "h1", Set.of("v2"), "v3");
        assertThat(history.previous(MODEL, "h1")).isEqualTo("v2");
        assertThat(history.previous(MODEL, null)).isEqualTo("v1");
        assertThat(history.previous(MODEL, "h2")).isEqualTo("v1");
        history.updated(MODEL, null, Set.of("v2", "v3"), "v4");
        assertThat(history.previous(MODEL, "h1")).isEqualTo("v2");
    }

    @Test
    void anEngineGoesBackWhateverItWasCalledWhenItWasMovedLast() {
        List<FleetWorker> workers = List.of(worker("h1/0", "a"), worker("h2/0", "a"), worker("h3/0", "b"));
        history.updated(MODEL, null, Set.of("v1"), "v2");
        history.updated(MODEL, "h1/0", Set.of("v2"), "v3");
        assertThat(history.previous(MODEL, "h1", workers)).isEqualTo("v2");
        assertThat(history.previous(MODEL, "tenant=b", workers)).isEqualTo("v1");
        assertThat(history.previous(MODEL, "tenant=a", workers))
                .as("they had different ones")
                .isNull();
        history.updated(MODEL, "tenant=a", Set.of("v3"), "v4");
        assertThat(history.previous(MODEL, "h1", workers))
                .as("moved by its label since")
                .isEqualTo("v3");
        assertThat(history.previous(MODEL, "tenant=none", workers))
                .as("as is known of all")
                .isEqualTo("v1");
    }

    @Test
    void aPromotedCanaryIsOneStepForAllAndARevertedOneIsNone() {
        List<FleetWorker> workers = List.of(worker("h1/0", "a"), worker("h2/0", "a"));
        history.updated(MODEL, null, Set.of("v0"), "v1");
        history.updated(MODEL, "h1/0", Set.of("v1"), "v2");
        history.rolledBack(MODEL, "h1/0", "v1");
        assertThat(history.previous(MODEL, null, workers)).isEqualTo("v0");
        history.updated(MODEL, "h1/0", Set.of("v1"), "v2");
        history.updated(MODEL, "!h1/0", Set.of("v1"), "v2");
        history.updated(MODEL, null, Set.of("v1"), "v2");
        assertThat(history.previous(MODEL, null, workers)).isEqualTo("v1");
        assertThat(history.previous(MODEL, "h1/0", workers)).isEqualTo("v1");
    }

    @Test
    void enginesThatHadTheVersionAlreadyDoNotStandInTheWay() {
        history.updated(MODEL, null, Set.of("v1", "v2"), "v2");
        assertThat(history.previous(MODEL, null)).isEqualTo("v1");
    }

    private static FleetWorker worker(String id, String tenant) {
        String host = id.substring(0, id.indexOf('/'));
        return new FleetWorker(
                TestInbox.<WorkerCommand>create(host).getRef(),
                new WorkerState(
                        id,
                        host,
                        "host",
                        1,
                        null,
                        1,
                        null,
                        TestFleet.serving("e-" + host, "v2"),
                        Map.of("tenant", tenant)));
    }
}
