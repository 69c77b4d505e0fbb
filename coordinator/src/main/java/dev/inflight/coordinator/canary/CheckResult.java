package dev.inflight.coordinator.canary;

import org.jspecify.annotations.Nullable;

/**
 * What a check said.
 *
 * @param failure why it did not pass; null if it did
 */
public record CheckResult(@Nullable String failure) {
    public static final CheckResult PASSED = new CheckResult(null);

    public static CheckResult failed(String reason) {
        return new CheckResult(reason);
    }

    public boolean passed() {
        return failure == null;
    }
}
