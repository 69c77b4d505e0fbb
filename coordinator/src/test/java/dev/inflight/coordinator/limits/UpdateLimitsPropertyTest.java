package dev.inflight.coordinator.limits;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/** The windows' arithmetic, against limits counted by hand. */
class UpdateLimitsPropertyTest {
    private static final Instant T0 = Instant.parse("2026-11-22T09:00:00Z");

    /** @param gap seconds since the request before */
    record Request(String tenant, int gap, int megabytes, int seconds) {}

    @Property(tries = 300)
    void noWindowEverHoldsMoreThanAllowedAndTheInstantOfADenialIsTheFirstThatIs(
            @ForAll("quotas") Quota quota, @ForAll("requests") List<Request> requests) {
        UpdateLimits limits = new UpdateLimits(new LimitSettings(quota, quota, Map.of(), 1, Duration.ofHours(1)));
        List<Use> taken = new ArrayList<>();
        Instant now = T0;
        for (Request request : requests) {
            now = now.plusSeconds(request.gap());
            long bytes = request.megabytes() * 1_000_000L;
            Denial denial = limits.denial("m", request.tenant(), bytes, now);
            if (denial != null) {
                // Every update here has its end, so that even concurrency has an instant.
                assertThat(denial.at() == null).as("%s", denial).isEqualTo(denial.never());
            }
            if (denial != null && denial.at() != null) {
                Instant at = denial.at();
                assertThat(at).isAfter(now);
                assertThat(limits.denial("m", request.tenant(), bytes, at.minusMillis(1)))
                        .as("a millisecond before %s", denial)
                        .isNotNull();
                assertThat(limits.denial("m", request.tenant(), bytes, at))
                        .as("at the instant of %s", denial)
                        .isNull();
            }
            if (denial == null) {
                Use use = new Use(
                        "u" + taken.size(), "m", request.tenant(), bytes, now, now.plusSeconds(request.seconds()));
                limits.began(use);
                taken.add(use);
                limits.prune(now);
            }
        }
        for (Use use : taken) {
            holdsTo(quota, taken, use);
            holdsTo(
                    quota,
                    taken.stream()
                            .filter(other -> other.tenant().equals(use.tenant()))
                            .toList(),
                    use);
        }
    }

    private static void holdsTo(Quota quota, List<Use> all, Use last) {
        List<Use> until = all.subList(0, all.indexOf(last) + 1);
        assertThat(quota.updatesPerHour() == 0
                        || until.stream()
                                        .filter(use -> isWithin(Duration.ofHours(1), use, last))
                                        .count()
                                <= quota.updatesPerHour())
                .isTrue();
        assertThat(quota.bytesPerDay() == 0
                        || until.stream()
                                        .filter(use -> isWithin(Duration.ofDays(1), use, last))
                                        .mapToLong(Use::bytes)
                                        .sum()
                                <= quota.bytesPerDay())
                .isTrue();
        assertThat(quota.concurrentUpdates() == 0
                        || until.stream()
                                        .filter(use -> use.runs(last.begunAt()))
                                        .count()
                                <= quota.concurrentUpdates())
                .isTrue();
        assertThat(until.stream()
                        .filter(use -> use != last)
                        .allMatch(use ->
                                Duration.between(use.begunAt(), last.begunAt()).compareTo(quota.minInterval()) >= 0))
                .isTrue();
    }

    private static boolean isWithin(Duration window, Use use, Use last) {
        return Duration.between(use.begunAt(), last.begunAt()).compareTo(window) < 0;
    }

    @Provide
    Arbitrary<Quota> quotas() {
        return Combinators.combine(
                        Arbitraries.longs().between(0, 4),
                        Arbitraries.longs().between(0, 900),
                        Arbitraries.longs().between(0, 3),
                        Arbitraries.longs().between(0, 40))
                .as((hour, interval, concurrent, megabytes) ->
                        new Quota(hour, Duration.ofSeconds(interval), concurrent, megabytes * 1_000_000, 0));
    }

    @Provide
    Arbitrary<List<Request>> requests() {
        return Combinators.combine(
                        Arbitraries.of("ann", "bob"),
                        Arbitraries.integers().between(0, 20_000),
                        Arbitraries.integers().between(0, 50),
                        Arbitraries.integers().between(0, 5_000))
                .as(Request::new)
                .list()
                .ofMinSize(1)
                .ofMaxSize(40);
    }
}
