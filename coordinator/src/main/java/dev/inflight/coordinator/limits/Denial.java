package dev.inflight.coordinator.limits;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import org.jspecify.annotations.Nullable;

/**
 * Why an update may not begin now.
 *
 * @param message names the limit, its value and what there was of it
 * @param at when it would be allowed if no other update began before; null if nobody can tell
 * @param never whether waiting does not help, since the update by itself is more than is allowed
 */
public record Denial(
        Limit limit, Scope scope, String message, @Nullable Instant at, boolean never) {
    /** The same with the instant, for people. */
    public String text() {
        if (never) {
            return message;
        }
        if (at == null) {
            return message + "; allowed when one of them has ended";
        }
        Instant wholeSecond = at.plusNanos(999_999_999).truncatedTo(ChronoUnit.SECONDS);
        return message + "; allowed at " + wholeSecond;
    }

    /** Whether this one holds an update up for longer. */
    boolean outlasts(@Nullable Denial other) {
        if (other == null || never || other.never) {
            return other == null || never;
        }
        if (at == null || other.at == null) {
            return at != null;
        }
        return at.isAfter(other.at);
    }
}
