package dev.inflight.coordinator.join;

import com.typesafe.config.Config;
import dev.inflight.coordinator.operation.Settings;
import java.time.Duration;

/**
 * When joins begin, from {@code inflight.coordinator.join}; reference.conf documents each.
 *
 * @param auto whether the coordinator starts joins
 * @param retryMin wait after a first failure; each further one doubles it
 * @param retryMax longest wait
 */
public record JoinSettings(boolean auto, Duration retryMin, Duration retryMax) {
    public static JoinSettings from(Config config) {
        Settings settings = new Settings(config);
        JoinSettings result = new JoinSettings(
                config.getBoolean("auto"), settings.duration("retry-min"), settings.duration("retry-max"));
        if (result.retryMin.compareTo(result.retryMax) > 0) {
            throw settings.refuse("retry-min", "must not be above retry-max");
        }
        return result;
    }
}
