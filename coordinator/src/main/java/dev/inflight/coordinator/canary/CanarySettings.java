package dev.inflight.coordinator.canary;

import com.typesafe.config.Config;
import dev.inflight.coordinator.operation.Settings;
import java.time.Duration;
import java.util.List;
import java.util.Locale;

/**
 * Bounds of canaries, from {@code inflight.coordinator.canary}; reference.conf documents each.
 *
 * @param maxHold longest hold, and how long nobody may decide
 * @param clientGrace how long after the hold who checks by himself may still decide
 * @param patience how long an update of a canary is asked for again while something else is in its way
 * @param checkHosts hosts, or {@code host:port}, that checks may ask
 * @param checkFailures how many checks must fail one after the other
 * @param replicaLabel engines with the same value of this label are one; empty: there is none
 */
public record CanarySettings(
        Duration maxHold,
        Duration clientGrace,
        Duration patience,
        List<String> checkHosts,
        Duration checkInterval,
        Duration checkTimeout,
        int checkFailures,
        String replicaLabel) {
    public CanarySettings {
        checkHosts = List.copyOf(checkHosts);
    }

    public static CanarySettings from(Config config) {
        Settings settings = new Settings(config);
        return new CanarySettings(
                settings.duration("max-hold"),
                settings.duration("client-grace"),
                settings.duration("patience"),
                config.getStringList("check-hosts").stream()
                        .map(host -> host.toLowerCase(Locale.ROOT))
                        .toList(),
                settings.duration("check-interval"),
                settings.duration("check-timeout"),
                (int) settings.number("check-failures", 1, 100),
                config.getString("replica-label"));
    }
}
