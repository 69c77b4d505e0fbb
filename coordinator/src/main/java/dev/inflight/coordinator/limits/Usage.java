package dev.inflight.coordinator.limits;

import java.time.Duration;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * What a model or tenant is held to, and what it has used, as the HTTP API shows it. A limit is null where there is none.
 *
 * @param scope {@code model} or {@code tenant}
 * @param updatesLastHour updates that began within the last hour
 * @param lastUpdateAt when the last update of the last 24 hours began
 * @param bytesLastDay bytes of the checkpoints of updates that began within the last 24 hours
 * @param bytesPerSecondPerHost most bytes that a host sends to others in a second while engines serve
 * @param deniedBy the limit that holds up a further update now; null if none does
 * @param allowedAt until when; null if nobody can tell
 */
public record Usage(
        String scope,
        String name,
        @Nullable Long updatesPerHour,
        int updatesLastHour,
        @Nullable Double minIntervalSeconds,
        @Nullable String lastUpdateAt,
        @Nullable Long concurrentUpdates,
        int runningUpdates,
        @Nullable Long bytesPerDay,
        long bytesLastDay,
        @Nullable Long bytesPerSecondPerHost,
        @Nullable String deniedBy,
        @Nullable String allowedAt) {
    static Usage of(
            Scope scope,
            Quota quota,
            int updatesLastHour,
            int running,
            long bytesLastDay,
            @Nullable Instant last,
            @Nullable Denial denial) {
        Duration interval = quota.minInterval();
        return new Usage(
                scope.kind().label(),
                scope.name(),
                limit(quota.updatesPerHour()),
                updatesLastHour,
                interval.isZero() ? null : interval.toMillis() / 1e3,
                last == null ? null : last.toString(),
                limit(quota.concurrentUpdates()),
                running,
                limit(quota.bytesPerDay()),
                bytesLastDay,
                limit(quota.bytesPerSecondPerHost()),
                denial == null ? null : denial.limit().label(),
                denial == null || denial.at() == null ? null : denial.at().toString());
    }

    private static @Nullable Long limit(long value) {
        return value == 0 ? null : value;
    }
}
