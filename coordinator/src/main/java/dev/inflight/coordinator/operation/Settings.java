package dev.inflight.coordinator.operation;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import java.time.Duration;
import java.util.Arrays;
import java.util.Locale;

/** Reads settings and refuses those out of range, naming file, line and path. */
public final class Settings {
    private static final Duration LEAST = Duration.ofMillis(1);
    private static final Duration MOST = Duration.ofDays(1);

    private final Config config;

    public Settings(Config config) {
        this.config = config;
    }

    /** A duration from 1 ms to 1 day. */
    public Duration duration(String path) {
        Duration value = config.getDuration(path);
        if (value.compareTo(LEAST) < 0 || value.compareTo(MOST) > 0) {
            throw refuse(path, "must be from 1 ms to 1 day but is " + value);
        }
        return value;
    }

    /** A whole number from {@code least} to {@code most}. */
    public long number(String path, long least, long most) {
        return inRange(path, config.getLong(path), least, most);
    }

    /** A size in bytes from {@code least} to {@code most}. */
    public long bytes(String path, long least, long most) {
        return inRange(path, config.getBytes(path), least, most);
    }

    /** A text that is not empty. */
    public String text(String path) {
        String value = config.getString(path);
        if (value.isBlank()) {
            throw refuse(path, "must not be empty");
        }
        return value;
    }

    /** One of these names, in lower case. */
    public <E extends Enum<E>> E oneOf(String path, E[] values) {
        String value = config.getString(path);
        for (E candidate : values) {
            if (candidate.name().toLowerCase(Locale.ROOT).equals(value)) {
                return candidate;
            }
        }
        throw refuse(
                path,
                "must be one of " + Arrays.toString(values).toLowerCase(Locale.ROOT) + " but is \"" + value + "\"");
    }

    public ConfigException refuse(String path, String message) {
        return new ConfigException.BadValue(config.getValue(path).origin(), path, message);
    }

    private long inRange(String path, long value, long least, long most) {
        if (value < least || value > most) {
            throw refuse(path, "must be from " + least + " to " + most + " but is " + value);
        }
        return value;
    }
}
