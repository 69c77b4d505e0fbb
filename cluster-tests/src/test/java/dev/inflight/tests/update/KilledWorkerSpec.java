package dev.inflight.tests.update;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.cli.load.LoadGenerator;
import dev.inflight.cli.load.LoadReport;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.tests.fleet.EngineProcess;
import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.fleet.TestFleet;
import java.util.Map;

/**
 * Worker hosts that own buckets die while they stream: one in an in-place update, and when it is back another in a
 * shadow update. The others end with the new version all the same.
 */
public final class KilledWorkerSpec extends FleetSpec {
    /** System property: whether the worker hosts read each other's slots in shared memory; {@code on} unless set. */
    static final String MAP_SHARED_MEMORY = "inflight.test.map-shared-memory";

    static final int WORKERS = 3;

    public KilledWorkerSpec() {
        super(WORKERS, Map.of("inflight.worker.peer.map-shared-memory", System.getProperty(MAP_SHARED_MEMORY, "on")));
    }

    @Override
    protected void tell(TestFleet fleet) throws Exception {
        EngineProcess first = fleet.engine(0);
        EngineProcess second = fleet.engine(1);
        fleet.publish("v1");
        fleet.publish("v2");
        fleet.update("v1", LoadMode.IN_PLACE);

        LoadReport load;
        try (LoadGenerator clients = fleet.ask(first, second)) {
            String id = fleet.beginHeldUpdate("v2", LoadMode.IN_PLACE, 2);
            requireRepaired(fleet.outlives(() -> fleet.killWorker(2), id), fleet, 2);
            load = clients.stop();
        }
        assertThat(load.failed()).as(load.firstProblem()).isZero();
        assertThat(load.mixed()).as(load.firstProblem()).isZero();
        fleet.requireServing("v2", first, second);
        fleet.requireNotServing(fleet.engine(2));
        assertThat(fleet.trainer().verify(TestFleet.MODEL).resultJson()).contains("\"verified\":true");

        fleet.restartWorker(2, WORKERS);
        fleet.awaitServing("v2", 2);

        // The shards of v1 that were on the killed host are read again before this begins.
        String id = fleet.beginHeldUpdate("v1", LoadMode.SHADOW, 1);
        requireRepaired(fleet.outlives(() -> fleet.killWorker(1), id), fleet, 1);
        fleet.requireServing("v1", first, fleet.engine(2));
        fleet.requireServing("v2", second);
    }

    private static void requireRepaired(JsonNode result, TestFleet fleet, int lost) {
        assertThat(result.at("/repair/owners/0").asText()).as("%s", result).isEqualTo(fleet.worker(lost));
        assertThat(result.at("/repair/standIns").isEmpty()).as("%s", result).isFalse();
        assertThat(result.at("/repair/restoredBytes").asLong()).as("%s", result).isPositive();
        assertThat(result.at("/engines/" + lost + "/outcome").asText())
                .as("%s", result)
                .isEqualTo("failed");
    }
}
