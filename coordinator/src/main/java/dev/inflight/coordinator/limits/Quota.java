package dev.inflight.coordinator.limits;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigValue;
import dev.inflight.coordinator.operation.Settings;
import java.time.Duration;
import java.util.Map;

/**
 * What updates of one model, or of one tenant, are held to. Zero is no limit.
 *
 * @param updatesPerHour most updates that begin within any hour
 * @param minInterval least time from the beginning of one update to that of the next
 * @param concurrentUpdates most updates that run at a time
 * @param bytesPerDay most bytes of checkpoints that updates begin to move within any 24 hours; a checkpoint counts once
 *     for each update, however many engines take it
 * @param bytesPerSecondPerHost most bytes that a worker host sends to other hosts in a second while engines serve: in
 *     joins, in a lost owner's place, and in updates in shadow mode
 */
public record Quota(
        long updatesPerHour,
        Duration minInterval,
        long concurrentUpdates,
        long bytesPerDay,
        long bytesPerSecondPerHost) {
    public static final Quota NONE = new Quota(0, Duration.ZERO, 0, 0, 0);

    private static final long MOST_UPDATES = 1_000_000;
    /** Lower ones would have a chunk of 1 MiB wait for longer than anybody means. */
    private static final long LEAST_BANDWIDTH = 64 << 10;

    private static final Duration LONGEST_INTERVAL = Duration.ofDays(1);

    /** @throws ConfigException naming the setting that is unknown or out of range */
    static Quota from(Config config) {
        for (Map.Entry<String, ConfigValue> entry : config.root().entrySet()) {
            if (!Limit.isLabel(entry.getKey())) {
                throw new ConfigException.BadValue(
                        entry.getValue().origin(), entry.getKey(), "is no limit; there are " + Limit.labels());
            }
        }
        Settings settings = new Settings(config);
        Duration interval = config.getDuration(Limit.MIN_INTERVAL.label());
        if (interval.isNegative() || interval.compareTo(LONGEST_INTERVAL) > 0) {
            throw settings.refuse(Limit.MIN_INTERVAL.label(), "must be from 0 to 1 day but is " + interval);
        }
        return new Quota(
                settings.number(Limit.UPDATES_PER_HOUR.label(), 0, MOST_UPDATES),
                interval,
                settings.number(Limit.CONCURRENT_UPDATES.label(), 0, MOST_UPDATES),
                settings.bytes(Limit.BYTES_PER_DAY.label(), 0, Long.MAX_VALUE),
                bandwidth(settings));
    }

    private static long bandwidth(Settings settings) {
        String label = Limit.BYTES_PER_SECOND_PER_HOST.label();
        long value = settings.bytes(label, 0, Long.MAX_VALUE);
        if (value > 0 && value < LEAST_BANDWIDTH) {
            throw settings.refuse(label, "must be 0, for none, or at least " + LEAST_BANDWIDTH + " but is " + value);
        }
        return value;
    }
}
