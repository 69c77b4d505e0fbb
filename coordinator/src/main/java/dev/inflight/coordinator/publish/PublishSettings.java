package dev.inflight.coordinator.publish;

import com.typesafe.config.Config;
import dev.inflight.coordinator.operation.Settings;
import java.time.Duration;

/** Bounds of a publish, from {@code inflight.coordinator.publish}; reference.conf documents each. */
public record PublishSettings(
        Duration inspectTimeout,
        Duration stallTimeout,
        Duration loadTimeout,
        long maxPartBytes,
        Duration progressInterval) {
    public static PublishSettings from(Config config) {
        Settings settings = new Settings(config);
        return new PublishSettings(
                settings.duration("inspect-timeout"),
                settings.duration("stall-timeout"),
                settings.duration("load-timeout"),
                settings.bytes("max-part", 1 << 20, 1L << 40),
                settings.duration("progress-interval"));
    }
}
