package dev.inflight.tests.update;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.cli.load.LoadGenerator;
import dev.inflight.cli.load.LoadReport;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.tests.fleet.EngineProcess;
import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.fleet.TestFleet;

/** Worker hosts die while they stream: one in an in-place update, and when it is back another in a shadow update. */
public final class KilledWorkerSpec extends FleetSpec {
    static final int WORKERS = 3;

    public KilledWorkerSpec() {
        super(WORKERS);
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
            JsonNode aborted = fleet.abortedBy(() -> fleet.killWorker(2), id);
            assertThat(aborted.at("/restore/outcome").asText()).isEqualTo("restored");
            load = clients.stop();
        }
        assertThat(load.failed()).as(load.firstProblem()).isZero();
        assertThat(load.mixed()).as(load.firstProblem()).isZero();
        fleet.requireServing("v1", first, second);
        fleet.requireNotServing(fleet.engine(2));

        // Its shards of v2 are gone, so they are read again.
        fleet.update("v2", LoadMode.IN_PLACE);
        fleet.requireServing("v2", first, second);

        fleet.restartWorker(2, WORKERS);
        EngineProcess third = fleet.engine(2);
        fleet.update("v1", LoadMode.SHADOW);
        fleet.requireServing("v1", first, second, third);

        String id = fleet.beginHeldUpdate("v2", LoadMode.SHADOW, 1);
        fleet.abortedBy(() -> fleet.killWorker(1), id);
        fleet.requireServing("v1", first, second, third);

        fleet.update("v2", LoadMode.SHADOW);
        fleet.requireServing("v2", first, third);
        fleet.requireServing("v1", second);
    }
}
