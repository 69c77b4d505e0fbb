package dev.inflight.tests.update;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.fleet.TestFleet;
import dev.inflight.tests.fleet.WireTraffic.Traffic;
import dev.inflight.tests.fleet.WireTrafficInstrument;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Publishes a small and a large checkpoint and updates to both, while the coordinator's messages are counted. */
public final class CoordinatorTrafficSpec extends FleetSpec {
    static final int WORKERS = 2;

    private static final long MIB = 1 << 20;
    private static final long LARGEST_MESSAGE = 256 << 10;

    /** How many of them there are depends on how long something takes, or on how often the trainer asks. */
    private static final Set<String> TIMED = Set.of("Progress", "LoadProgress", "GetOperation", "Operation");

    /** For longer numbers, and reports that were told once more. */
    private static final long SLACK = 2048;

    public CoordinatorTrafficSpec() {
        super(
                WORKERS,
                Map.of(
                        "akka.remote.artery.advanced.instruments",
                        List.of(WireTrafficInstrument.class.getName()),
                        // What is too large is counted rather than lost.
                        "akka.remote.artery.advanced.maximum-frame-size",
                        "4 MiB",
                        // New engines take the checkpoint that is measured, not the one before.
                        "inflight.coordinator.join.auto",
                        "off",
                        // No releases: what they cost depends on the number of versions.
                        "inflight.coordinator.keep-versions",
                        100));
    }

    @Override
    protected void tell(TestFleet fleet) throws Exception {
        // So that what is measured goes over connections that are there.
        trafficOf(fleet, "first", 10, MIB);
        Map<String, Traffic> small = trafficOf(fleet, "small", 10, MIB);
        Map<String, Traffic> large = trafficOf(fleet, "large", 5_000, 64 * MIB);
        System.out.println("small: " + small + "\nlarge: " + large);

        assertThat(small).as("what is counted").containsKeys("Load", "Loaded", "Prepare", "Staged", "Operation");
        assertThat(total(large)).as("bytes of %s, against %s", large, small).isLessThan(allowed(total(small)));
        // Of those that can not be summed up no single one grows.
        for (String timed : TIMED) {
            assertThat(largest(large, timed)).as(timed).isLessThan(allowed(largest(small, timed)));
        }
        assertThat(Traffic.largest(large)).as("%s", large).isLessThan(LARGEST_MESSAGE);
    }

    private static Map<String, Traffic> trafficOf(TestFleet fleet, String version, int tensors, long bytes)
            throws Exception {
        fleet.replaceEngines();
        fleet.traffic();
        fleet.publish(version, tensors, bytes);
        fleet.update(version, LoadMode.SHADOW);
        return fleet.traffic();
    }

    private static long total(Map<String, Traffic> traffic) {
        return traffic.entrySet().stream()
                .filter(type -> !TIMED.contains(type.getKey()))
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
