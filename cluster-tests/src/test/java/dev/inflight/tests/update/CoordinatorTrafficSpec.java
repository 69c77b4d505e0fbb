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

    /** How many of them there are depends on how long something takes, or on how often the trainer asks. */
    private static final TrafficGrowth GROWTH =
            new TrafficGrowth(Set.of("Progress", "LoadProgress", "GetOperation", "Operation"));

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
        GROWTH.requireNone(small, large);
    }

    private static Map<String, Traffic> trafficOf(TestFleet fleet, String version, int tensors, long bytes)
            throws Exception {
        fleet.replaceEngines();
        fleet.traffic();
        fleet.publish(version, tensors, bytes);
        fleet.update(version, LoadMode.SHADOW);
        return fleet.traffic();
    }
}
