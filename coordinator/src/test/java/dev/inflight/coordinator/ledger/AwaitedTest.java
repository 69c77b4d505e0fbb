package dev.inflight.coordinator.ledger;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class AwaitedTest {
    private static final long LIMIT = 100;

    private final Awaited awaited = new Awaited();
    private final List<String> told = new ArrayList<>();

    @Test
    void whatAMajorityHasIsToldInOrderAndOnce() {
        await(1, 0);
        await(2, 10);
        await(2, 20);
        await(3, 30);
        awaited.durable(2);
        awaited.durable(2);
        assertThat(told).containsExactly("1 true", "2 true", "2 true");
        awaited.durable(3);
        assertThat(told).endsWith("3 true").hasSize(4);
    }

    @Test
    void whatWaitsForTooLongIsToldSoAndNotAgain() {
        await(4, 0);
        await(5, 50);
        assertThat(awaited.overdue(LIMIT, 100)).isEqualTo(Awaited.NONE);
        assertThat(awaited.overdue(LIMIT, 101)).isEqualTo(4);
        assertThat(told).containsExactly("4 false");
        awaited.durable(5);
        assertThat(told).containsExactly("4 false", "5 true");
        assertThat(awaited.overdue(LIMIT, 1000)).isEqualTo(Awaited.NONE);
    }

    private void await(long sequence, long now) {
        awaited.add(sequence, durable -> told.add(sequence + " " + durable), now);
    }
}
