package dev.inflight.coordinator.canary;

import dev.inflight.protocol.cluster.Canary;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What a canary was asked for, checked.
 *
 * @param hold how long it is watched; null until somebody decides
 * @param check what is watched beside the engines themselves; null for nothing
 */
record CanaryPlan(
        CanaryShare share,
        @Nullable Duration hold,
        @Nullable CanaryCheck check) {
    private static final int LONGEST_CHECK = 2048;

    /** @throws CanaryException if it makes no sense, or is not allowed here */
    static CanaryPlan of(Canary asked, CanarySettings settings) {
        // What comes off the wire may be null whatever the type says.
        CanaryShare share = CanaryShare.parse(String.valueOf(asked.share()));
        Long holdMs = asked.holdMs();
        if (holdMs != null && (holdMs < 1 || holdMs > settings.maxHold().toMillis())) {
            throw new CanaryException("hold: must be from 1 ms to max-hold, "
                    + settings.maxHold().toMillis() + " ms, but is " + holdMs + " ms");
        }
        String check = asked.check();
        if (check != null && check.length() > LONGEST_CHECK) {
            throw new CanaryException("check: longer than " + LONGEST_CHECK + " characters");
        }
        return new CanaryPlan(
                share,
                holdMs == null ? null : Duration.ofMillis(holdMs),
                check == null ? null : CanaryCheck.parse(check, settings.checkHosts()));
    }
}
