package dev.inflight.coordinator.http;

import com.typesafe.config.Config;
import dev.inflight.coordinator.operation.Settings;
import java.time.Duration;

/** Settings of the HTTP API, from {@code inflight.coordinator.http}; reference.conf documents each. */
public record HttpSettings(
        String host, int port, long maxBodyBytes, Duration askTimeout, Duration pollInterval, Duration unbindTimeout) {
    public static HttpSettings from(Config config) {
        Settings settings = new Settings(config);
        return new HttpSettings(
                settings.text("host"),
                (int) settings.number("port", 0, 65_535),
                settings.bytes("max-body", 1024, 64 << 20),
                settings.duration("ask-timeout"),
                settings.duration("poll-interval"),
                settings.duration("unbind-timeout"));
    }
}
