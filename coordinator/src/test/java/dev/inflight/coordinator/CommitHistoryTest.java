package dev.inflight.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

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
}
