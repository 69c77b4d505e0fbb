package dev.inflight.coordinator.update;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class AttemptMembersTest {
    private final AttemptMembers members = new AttemptMembers(
            Set.of("a", "b", "c", "source"), Set.of("a", "b", "c"), Map.of("a", "e-a", "b", "e-b"), Set.of("source"));

    @Test
    void aLossCountsOnceAndOnlyOfAMemberThatIsStillWanted() {
        assertThat(members.lose("stranger")).isFalse();
        assertThat(members.lose("c")).isTrue();
        assertThat(members.lose("c")).isFalse();
        members.drop("a", "its engine is gone");
        assertThat(members.lose("a")).isFalse();
        assertThat(members.active()).containsExactly("b", "c", "source");
        assertThat(members.alive()).containsExactly("b", "source");
    }

    @Test
    void sparesWhomNobodyNeedsOrOthersCanStandInFor() {
        assertThat(members.canSpare("a")).isTrue();
        assertThat(members.canSpare("source")).isTrue();
        assertThat(members.canSpare("c")).isFalse();
        members.drop("a", "lost");
        assertThat(members.canSpare("a")).isFalse();
        assertThat(members.takers()).containsExactly("b", "c");
        assertThat(members.receivers()).containsExactly("a", "b", "c");
    }

    @Test
    void doesNotSpareTheLastThatTakesAnything() {
        AttemptMembers two = new AttemptMembers(
                Set.of("a", "b", "source"), Set.of("a", "b"), Map.of("a", "e-a", "b", "e-b"), Set.of("source"));
        two.drop("a", "lost");
        assertThat(two.canSpare("b")).isFalse();
        assertThat(two.canSpare("source")).isTrue();
    }

    @Test
    void aDroppedOwnerIsLostToAllAndAMissedOneToThatReceiverOnly() {
        members.miss("a", "source");
        assertThat(members.lostTo("a")).containsExactly("source");
        assertThat(members.lostTo("b")).isEmpty();
        assertThat(members.lostOwners()).containsExactly("source");

        // Whom nobody waits for does not need a stand-in either.
        members.drop("a", "lost");
        assertThat(members.lostOwners()).isEmpty();

        members.drop("source", "lost");
        assertThat(members.lostTo("b")).containsExactly("source");
        assertThat(members.lostOwners()).containsExactly("source");
    }

    @Test
    void knowsTheEnginesOfThoseThatItCanSpare() {
        assertThat(members.isEngineOf("a", "e-a")).isTrue();
        assertThat(members.isEngineOf("a", "e-b")).isFalse();
        assertThat(members.isEngineOf("c", "e-c")).isFalse();
        assertThat(members.isEngineOf("a", null)).isFalse();
    }

    @Test
    void needsAReceiverAmongTheMembers() {
        assertThatThrownBy(() -> new AttemptMembers(Set.of("a"), Set.of(), Map.of(), Set.of()))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new AttemptMembers(Set.of("a"), Set.of("b"), Map.of(), Set.of()))
                .hasMessageContaining("receivers [b] must be some of members [a]");
    }
}
