package dev.inflight.worker.transport;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class RateLimitTest {
    private static final long SECOND = TimeUnit.SECONDS.toNanos(1);

    private final AtomicLong clock = new AtomicLong(-5 * SECOND);
    private final RateLimit limit = new RateLimit(100, clock::get);

    @Test
    void takersShareTheRateInTheOrderInWhichTheyCome() {
        assertThat(limit.reserve(100)).isEqualTo(SECOND);
        assertThat(limit.reserve(50)).isEqualTo(SECOND + SECOND / 2);
        clock.addAndGet(SECOND);
        assertThat(limit.reserve(100))
                .as("the second one has half a second left")
                .isEqualTo(SECOND + SECOND / 2);
    }

    @Test
    void neverDoMoreBytesPassThanTheRateAllows() {
        long last = 0;
        for (int taken = 1; taken <= 1000; taken++) {
            long passes = clock.get() + limit.reserve(7) + 5 * SECOND;
            assertThat(passes).isGreaterThanOrEqualTo(last);
            assertThat(taken * 7L).isLessThanOrEqualTo(passes * 100 / SECOND + 1);
            last = passes;
            clock.addAndGet(taken * 13_000_000L % SECOND / 10);
        }
    }

    @Test
    void whatWasNotUsedIsNotSavedUp() {
        clock.addAndGet(60 * SECOND);
        assertThat(limit.reserve(100)).isEqualTo(SECOND);
    }

    @Test
    void aTurnThatWasTakenInVainGoesToWhoComesNext() {
        limit.reserve(100);
        limit.reserve(1_000_000);
        limit.giveBack(1_000_000);
        assertThat(limit.reserve(100)).isEqualTo(2 * SECOND);
    }

    @Test
    void aChangedLimitHoldsForWhoComesNextAndForWhatIsAheadOfThem() {
        limit.reserve(300);
        limit.change(200);
        assertThat(limit.reserve(100)).as("400 bytes at the new rate").isEqualTo(2 * SECOND);
        limit.change(100);
        assertThat(limit.reserve(100)).as("500 bytes at the former rate").isEqualTo(5 * SECOND);
    }

    @Test
    void withoutALimitNotEvenTheClockIsRead() {
        var none = new RateLimit(0, () -> {
            throw new AssertionError("the clock was read");
        });
        assertThat(none.reserve(Long.MAX_VALUE)).isZero();
        none.giveBack(1);
        assertThat(RateLimit.none().reserve(1)).isZero();
    }
}
