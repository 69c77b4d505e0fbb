package dev.inflight.coordinator.limits;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** What can be limited, as settings, refusals and metrics name it. */
public enum Limit {
    UPDATES_PER_HOUR,
    MIN_INTERVAL,
    CONCURRENT_UPDATES,
    BYTES_PER_DAY,
    /** Holds nothing up: what is sent under it goes slower. */
    BYTES_PER_SECOND_PER_HOST;

    public String label() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    static boolean isLabel(String text) {
        return labels().contains(text);
    }

    static List<String> labels() {
        return Arrays.stream(values()).map(Limit::label).toList();
    }
}
