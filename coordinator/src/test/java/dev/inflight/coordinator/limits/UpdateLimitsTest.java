package dev.inflight.coordinator.limits;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import dev.inflight.protocol.cluster.BandwidthLimit;
import java.time.Duration;
import java.time.Instant;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class UpdateLimitsTest {
    private static final Instant T0 = Instant.parse("2026-11-22T09:00:00Z");
    private static final long GIB = 1L << 30;

    @Test
    void withoutLimitsEverythingIsAllowed() {
        UpdateLimits limits = limits("");
        for (int i = 0; i < 100; i++) {
            begin(limits, "u" + i, T0);
        }
        assertThat(limits.denial("m", "ann", Long.MAX_VALUE, T0)).isNull();
    }

    @Test
    void anUpdateLeavesTheHourExactlyAnHourAfterItBegan() {
        UpdateLimits limits = limits("model.updates-per-hour = 2");
        begin(limits, "u1", T0);
        begin(limits, "u2", T0.plusSeconds(600));
        Instant now = T0.plusSeconds(1200);
        Denial denial = denied(limits, now);
        assertThat(denial.limit()).isEqualTo(Limit.UPDATES_PER_HOUR);
        assertThat(denial.at()).isEqualTo(T0.plusSeconds(3600));
        assertThat(denial.text())
                .isEqualTo("model m had 2 updates within an hour; updates-per-hour is 2;"
                        + " allowed at 2026-11-22T10:00:00Z");
        assertThat(denied(limits, T0.plusMillis(3_599_999)).at()).isEqualTo(T0.plusSeconds(3600));
        assertThat(limits.denial("m", "ann", GIB, T0.plusSeconds(3600))).isNull();
        assertThat(limits.denial("other", "ann", GIB, now)).isNull();
    }

    @Test
    void theIntervalIsFromBeginningToBeginning() {
        UpdateLimits limits = limits("model.min-interval = 30 s");
        begin(limits, "u1", T0);
        limits.ended("u1", T0.plusSeconds(20));
        assertThat(denied(limits, T0.plusSeconds(29)).at()).isEqualTo(T0.plusSeconds(30));
        assertThat(denied(limits, T0.plusSeconds(29)).message()).contains("29.0 s ago", "min-interval is 30.0 s");
        assertThat(limits.denial("m", "ann", GIB, T0.plusSeconds(30))).isNull();
    }

    @Test
    void bytesAreFreeAgainADayAfterEnoughOfThemWereMoved() {
        UpdateLimits limits = limits("model.bytes-per-day = 3 GiB");
        begin(limits, "u1", T0);
        begin(limits, "u2", T0.plusSeconds(60));
        Instant now = T0.plusSeconds(120);
        assertThat(limits.denial("m", "ann", GIB, now)).isNull();
        Denial denial = Objects.requireNonNull(limits.denial("m", "ann", 2 * GIB, now));
        assertThat(denial.limit()).isEqualTo(Limit.BYTES_PER_DAY);
        assertThat(denial.at()).isEqualTo(T0.plus(Duration.ofDays(1)));
        assertThat(Objects.requireNonNull(limits.denial("m", "ann", 3 * GIB, now))
                        .at())
                .isEqualTo(T0.plusSeconds(60).plus(Duration.ofDays(1)));
    }

    @Test
    void whatIsMoreThanADayAllowsIsNeverAllowed() {
        UpdateLimits limits = limits("model.bytes-per-day = 1 GiB");
        Denial denial = Objects.requireNonNull(limits.denial("m", "ann", GIB + 1, T0));
        assertThat(denial.never()).isTrue();
        assertThat(denial.at()).isNull();
        assertThat(denial.text()).isEqualTo("an update of model m moves 1073741825 bytes; bytes-per-day is 1073741824");
    }

    @Test
    void whatRunsIsExpectedToEndAsUsual() {
        UpdateLimits limits = limits("model.concurrent-updates = 2");
        begin(limits, "u1", T0);
        begin(limits, "u2", T0.plusSeconds(1));
        assertThat(denied(limits, T0.plusSeconds(2)).text())
                .isEqualTo(
                        "model m has 2 running updates; concurrent-updates is 2; allowed when one of them has ended");
        limits.ended("u1", T0.plusSeconds(10));
        assertThat(limits.denial("m", "ann", GIB, T0.plusSeconds(10))).isNull();
        begin(limits, "u3", T0.plusSeconds(10));
        assertThat(denied(limits, T0.plusSeconds(10)).at()).isEqualTo(T0.plusSeconds(11));
        assertThat(denied(limits, T0.plusSeconds(15)).at())
                .as("overdue, it may end at any time")
                .isEqualTo(T0.plusSeconds(16));
    }

    @Test
    void theLimitThatHoldsLongestIsTheOneNamed() {
        UpdateLimits limits = limits("model.min-interval = 1 m, tenant.updates-per-hour = 1");
        begin(limits, "u1", T0);
        Denial denial = denied(limits, T0.plusSeconds(1));
        assertThat(denial.scope()).isEqualTo(Scope.tenant("ann"));
        assertThat(denial.limit()).isEqualTo(Limit.UPDATES_PER_HOUR);
        assertThat(Objects.requireNonNull(limits.denial("m", "bob", GIB, T0.plusSeconds(1)))
                        .limit())
                .as("another tenant is held up by the model's only")
                .isEqualTo(Limit.MIN_INTERVAL);
        assertThat(Objects.requireNonNull(limits.denial("other", "ann", GIB, T0.plusSeconds(1)))
                        .limit())
                .as("a tenant's limits are over all models")
                .isEqualTo(Limit.UPDATES_PER_HOUR);
    }

    @Test
    void entriesByNameSayOnlyWhatIsDifferent() {
        UpdateLimits limits =
                limits("model { updates-per-hour = 1, min-interval = 1 m }, models.\"a.b\" { updates-per-hour = 5 }");
        limits.began(new Use("u1", "a.b", "ann", GIB, T0, T0.plusSeconds(1)));
        assertThat(Objects.requireNonNull(limits.denial("a.b", "ann", GIB, T0.plusSeconds(1)))
                        .limit())
                .isEqualTo(Limit.MIN_INTERVAL);
        assertThat(limits.denial("a.b", "ann", GIB, T0.plusSeconds(60))).isNull();
    }

    @Test
    void whatDidNotBeginDoesNotCount() {
        UpdateLimits limits = limits("model.updates-per-hour = 1");
        begin(limits, "u1", T0);
        limits.forget("u1");
        assertThat(limits.denial("m", "ann", GIB, T0)).isNull();
    }

    @Test
    void aClockThatWasSetBackDoesNotOpenAWindow() {
        UpdateLimits limits = limits("model { updates-per-hour = 1 }");
        begin(limits, "u1", T0);
        assertThat(denied(limits, T0.minusSeconds(600)).at()).isEqualTo(T0.plusSeconds(3600));
    }

    @Test
    void forgetsWhatNoWindowReachesButNotWhatRuns() {
        UpdateLimits limits = limits("model { bytes-per-day = 10 GiB, concurrent-updates = 1 }");
        begin(limits, "u1", T0);
        Instant later = T0.plus(Duration.ofDays(2));
        limits.prune(later);
        assertThat(denied(limits, later).limit()).isEqualTo(Limit.CONCURRENT_UPDATES);
        limits.ended("u1", later);
        limits.prune(later);
        assertThat(limits.expectedEnd("u1", later)).isNull();
    }

    @Test
    void usageShowsWhatIsLeft() {
        UpdateLimits limits = limits("model { updates-per-hour = 2, bytes-per-day = 8 GiB }, tenants.bob {}");
        begin(limits, "u1", T0);
        var usages = limits.usages(Set.of("idle"), T0.plusSeconds(1));
        assertThat(usages).extracting(Usage::name).containsExactly("idle", "m", "ann", "bob");
        assertThat(usages.get(1))
                .isEqualTo(new Usage(
                        "model", "m", 2L, 1, null, "2026-11-22T09:00:00Z", null, 1, 8 * GIB, GIB, null, null, null));
        begin(limits, "u2", T0.plusSeconds(1));
        Usage full = limits.usages(Set.of(), T0.plusSeconds(2)).getFirst();
        assertThat(full.deniedBy()).isEqualTo("updates-per-hour");
        assertThat(full.allowedAt()).isEqualTo("2026-11-22T10:00:00Z");
    }

    @Test
    void bandwidthIsThatOfTheModelAndOfTheTenantWhereTheyHaveOne() {
        LimitSettings settings = settings("""
                model.bytes-per-second-per-host = 100 MiB, models.big.bytes-per-second-per-host = 0
                tenants.ann.bytes-per-second-per-host = 64 KiB, tenants.anonymous.bytes-per-second-per-host = 1 GiB
                """);
        BandwidthLimit small = new BandwidthLimit("model small", 100 << 20);
        BandwidthLimit ann = new BandwidthLimit("tenant ann", 64 << 10);
        assertThat(settings.bandwidth("small", "ann")).containsExactly(small, ann);
        assertThat(settings.bandwidth("small", "bob")).containsExactly(small);
        assertThat(settings.bandwidth("big", "ann")).containsExactly(ann);
        assertThat(settings.bandwidth("big", null)).containsExactly(new BandwidthLimit("tenant anonymous", GIB));
        assertThat(settings.bandwidth("big", "bob")).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "model.updates-per-hour = -1        | updates-per-hour",
                "model.min-interval = 25 h          | min-interval",
                "tenant.bytes-per-day = -1          | bytes-per-day",
                "models.m.bytes-per-second-per-host = 65535 | must be 0, for none, or at least 65536 but is 65535",
                "tenant.bytes-per-second-per-host = -1      | bytes-per-second-per-host",
                "models.m.updates-per-huor = 1      | updates-per-huor",
                "tenants.ann.concurrent-updates = x | concurrent-updates",
                "models.m = 3                       | models.m",
                "queue-length = -1                  | queue-length",
                "queue-timeout = 0 s                | queue-timeout",
            })
    void settingsOutOfRangeAndUnknownOnesAreRefusedByName(String overrides, String named) {
        assertThatThrownBy(() -> limits(overrides))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining(named);
    }

    private static void begin(UpdateLimits limits, String id, Instant at) {
        limits.began(new Use(id, "m", "ann", GIB, at, null));
    }

    private static Denial denied(UpdateLimits limits, Instant now) {
        @Nullable Denial denial = limits.denial("m", "ann", GIB, now);
        return Objects.requireNonNull(denial, "it is allowed");
    }

    static UpdateLimits limits(String overrides) {
        return new UpdateLimits(settings(overrides));
    }

    private static LimitSettings settings(String overrides) {
        return LimitSettings.from(ConfigFactory.parseString(overrides)
                .withFallback(ConfigFactory.load().getConfig("inflight.coordinator.limits")));
    }
}
