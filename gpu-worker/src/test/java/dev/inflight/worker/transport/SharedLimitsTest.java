package dev.inflight.worker.transport;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.cluster.BandwidthLimit;
import java.util.List;
import org.junit.jupiter.api.Test;

class SharedLimitsTest {
    private static final BandwidthLimit CHAT = new BandwidthLimit("model chat", 100);
    private static final BandwidthLimit CODE = new BandwidthLimit("model code", 100);
    private static final BandwidthLimit ANN = new BandwidthLimit("tenant ann", 300);

    private final SharedLimits limits = new SharedLimits();

    @Test
    void connectionsOfOneScopeShareItsLimitAndThoseOfAnotherHaveTheirOwn() {
        var first = limits.enter(List.of(CHAT, ANN));
        var second = limits.enter(List.of(CODE, ANN));
        assertThat(first.getFirst()).isNotSameAs(second.getFirst());
        assertThat(first.getLast()).isSameAs(second.getLast());
        assertThat(limits.enter(List.of(CHAT))).containsExactly(first.getFirst());
    }

    @Test
    void aLimitIsForgottenWithTheLastConnectionThatCountsUnderIt() {
        limits.enter(List.of(CHAT, ANN));
        limits.enter(List.of(CODE, ANN));
        limits.leave(List.of(CHAT, ANN));
        assertThat(limits.scopes()).isEqualTo(2);
        limits.leave(List.of(CODE, ANN));
        assertThat(limits.scopes()).isZero();
    }

    @Test
    void whatWasToldLastHoldsForAll() {
        var limit = limits.enter(List.of(new BandwidthLimit("model chat", 1))).getFirst();
        limits.enter(List.of(new BandwidthLimit("model chat", 1_000_000_000)));
        assertThat(limit.reserve(1_000_000)).as("a thousandth of a second").isLessThan(2_000_000);
    }
}
