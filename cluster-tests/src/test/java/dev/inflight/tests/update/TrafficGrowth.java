package dev.inflight.tests.update;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.tests.fleet.WireTraffic.Traffic;
import java.util.Map;
import java.util.Set;

/**
 * Whether the coordinator's messages for a large checkpoint are more, or larger, than those for a small one.
 *
 * @param timed types of messages of which there are as many as something takes long
 */
record TrafficGrowth(Set<String> timed) {
    private static final long LARGEST_MESSAGE = 256 << 10;

    /** For longer numbers, and reports that were told once more. */
    private static final long SLACK = 2048;

    void requireNone(Map<String, Traffic> small, Map<String, Traffic> large) {
        assertThat(total(large)).as("bytes of %s, against %s", large, small).isLessThan(allowed(total(small)));
        // Of those that can not be summed up no single one grows.
        for (String type : timed) {
            assertThat(largest(large, type)).as(type).isLessThan(allowed(largest(small, type)));
        }
        assertThat(Traffic.largest(large)).as("%s", large).isLessThan(LARGEST_MESSAGE);
    }

    private long total(Map<String, Traffic> traffic) {
        return traffic.entrySet().stream()
                .filter(type -> !timed.contains(type.getKey()))
                .mapToLong(type -> type.getValue().bytes())
                .sum();
    }

    private static long largest(Map<String, Traffic> traffic, String type) {
        Traffic counted = traffic.get(type);
        return counted == null ? 0 : counted.largest();
    }

    private static long allowed(long bytes) {
        return bytes + bytes / 4 + SLACK;
    }
}
