package dev.inflight.tests.update;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.tests.fleet.EngineProcess;
import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.fleet.TestFleet;

/** The network swallows everything from and to one worker host in the middle of an update. */
public final class IsolatedWorkerSpec extends FleetSpec {
    static final int WORKERS = 2;

    public IsolatedWorkerSpec() {
        super(WORKERS);
    }

    @Override
    protected void tell(TestFleet fleet) throws Exception {
        EngineProcess reachable = fleet.engine(0);
        fleet.publish("v1");
        fleet.publish("v2");
        fleet.update("v1", LoadMode.SHADOW);

        String id = fleet.beginHeldUpdate("v2", LoadMode.IN_PLACE, 1);
        JsonNode result = fleet.outlives(() -> isolate(1), id);
        assertThat(result.at("/repair/owners/0").asText()).as("%s", result).isEqualTo(fleet.worker(1));
        fleet.requireServing("v2", reachable);
        fleet.requireNotServing(fleet.engine(1));

        fleet.update("v1", LoadMode.IN_PLACE);
        fleet.requireServing("v1", reachable);
        fleet.requireNotServing(fleet.engine(1));
    }
}
