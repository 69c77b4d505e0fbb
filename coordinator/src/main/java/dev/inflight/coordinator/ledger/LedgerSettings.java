package dev.inflight.coordinator.ledger;

import com.typesafe.config.Config;
import dev.inflight.coordinator.operation.Settings;
import java.time.Duration;

/**
 * How the ledger is kept, from {@code inflight.coordinator.ledger}; reference.conf documents each.
 *
 * @param keepEntries how many of the newest entries stay
 * @param recoveryTimeout longest wait for other nodes' replicas when a coordinator starts
 * @param appendTimeout longest wait for a majority of replicas
 */
public record LedgerSettings(int keepEntries, Duration recoveryTimeout, Duration appendTimeout) {
    public static LedgerSettings from(Config config) {
        Settings settings = new Settings(config);
        return new LedgerSettings(
                (int) settings.number("keep-entries", 100, 1_000_000),
                settings.duration("recovery-timeout"),
                settings.duration("append-timeout"));
    }

    /** When at the latest somebody hears that no majority has an entry. */
    public Duration longestDoubt() {
        return appendTimeout.plus(LedgerWriter.AGAIN);
    }
}
