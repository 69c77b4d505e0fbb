package dev.inflight.coordinator.verify;

import com.typesafe.config.Config;
import dev.inflight.coordinator.operation.Settings;
import java.time.Duration;

/** Bounds of a verification, from {@code inflight.coordinator.verify}; reference.conf documents each. */
public record VerifySettings(Duration timeout) {
    public static VerifySettings from(Config config) {
        return new VerifySettings(new Settings(config).duration("timeout"));
    }
}
