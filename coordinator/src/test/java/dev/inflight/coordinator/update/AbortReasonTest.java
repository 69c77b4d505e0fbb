package dev.inflight.coordinator.update;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class AbortReasonTest {
    @Test
    void whoIsBlamedKnowsBetterAndNobodyElseDoes() {
        AbortReason reason = new AbortReason("b: consumer a was lost", "a");
        reason.failed("c", "c: bad block", null);
        assertThat(reason.text()).isEqualTo("b: consumer a was lost");
        reason.failed("a", "a: engine e: no memory", null);
        reason.failed("a", "a: gave up", null);
        assertThat(reason.text()).isEqualTo("a: engine e: no memory");
    }

    @Test
    void followsTheBlameFromOneToTheNext() {
        AbortReason reason = new AbortReason("b: consumer a was lost", "a");
        reason.failed("a", "a: owner c was lost", "c");
        reason.failed("c", "c: bad block", null);
        assertThat(reason.text()).isEqualTo("c: bad block");
    }

    @Test
    void whoWasLostGoesBeforeWhatIsSaidOfAnotherAndAfterWhatOneSaysOfItself() {
        AbortReason blaming = new AbortReason("b: consumer a was lost", "a");
        blaming.lost("source");
        assertThat(blaming.text()).isEqualTo("worker source was lost; first noticed by b: consumer a was lost");

        AbortReason own = new AbortReason("a: bad block", null);
        own.lost("source");
        own.lost("b");
        assertThat(own.text()).isEqualTo("a: bad block; then workers [b, source] were lost");
    }
}
