package dev.inflight.tests.update;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.cli.model.SizedModel;
import dev.inflight.cli.model.SyntheticCheckpoint;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.fleet.TestFleet;
import dev.inflight.tests.fleet.WireTraffic.Traffic;
import dev.inflight.tests.fleet.WireTrafficInstrument;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * An engine joins with a small checkpoint and another one with a large one, while the coordinator's messages are
 * counted. Each has a model and a worker host of its own.
 */
public final class JoinTrafficSpec extends FleetSpec {
    /** System properties: sizes of the checkpoints in bytes. */
    static final String SMALL = "inflight.test.small";

    static final String LARGE = "inflight.test.large";

    /** On the one host, so that no shard of the largest checkpoint is a large file in shared memory. */
    static final int WORKERS = 5;

    private static final String VERSION = "v1";

    /** How many of them there are depends on how long something takes. */
    private static final TrafficGrowth GROWTH = new TrafficGrowth(Set.of("Progress", "HostState", "WorkerState"));

    public JoinTrafficSpec() {
        super(
                1,
                Map.of(
                        "akka.remote.artery.advanced.instruments",
                        List.of(WireTrafficInstrument.class.getName()),
                        // What is too large is counted rather than lost.
                        "akka.remote.artery.advanced.maximum-frame-size",
                        "4 MiB",
                        "inflight.worker.workers",
                        WORKERS));
    }

    @Override
    protected void tell(TestFleet fleet) throws Exception {
        // So that what is measured goes over code that has run.
        trafficOf(fleet, "first", 1, Long.getLong(SMALL));
        Map<String, Traffic> small = trafficOf(fleet, "small", 2, Long.getLong(SMALL));
        Map<String, Traffic> large = trafficOf(fleet, "large", 3, Long.getLong(LARGE));
        System.out.println("small: " + small + "\nlarge: " + large);

        assertThat(small).as("what is counted").containsKeys("Prepare", "Staged", "WorkerState");
        GROWTH.requireNone(small, large);
    }

    /** @param worker of the host that loads the files; its engine is the first to serve the model */
    private static Map<String, Traffic> trafficOf(TestFleet fleet, String model, int worker, long bytes)
            throws Exception {
        Path files = fleet.file(model);
        SyntheticCheckpoint.write(files, SizedModel.of(bytes).tensors(), worker, written -> {});
        fleet.startEngine("source-" + model, model, fleet.socket(0, worker));
        fleet.awaitAttached(2 * worker);
        require(fleet.trainer().publish(model, VERSION, files));
        require(fleet.trainer().update(model, VERSION, LoadMode.IN_PLACE));
        Path link = fleet.startHost("joiner-" + model);

        fleet.traffic();
        fleet.startEngine("joiner-" + model, model, link);
        fleet.awaitServing("joiner-" + model, VERSION);
        return fleet.traffic();
    }

    private static void require(OperationReply.Operation operation) {
        assertThat(operation.state()).as("%s", operation).isEqualTo(OperationReply.State.SUCCEEDED);
    }
}
