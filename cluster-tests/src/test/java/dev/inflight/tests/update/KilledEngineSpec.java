package dev.inflight.tests.update;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.tests.fleet.EngineProcess;
import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.fleet.TestFleet;

/**
 * An engine dies in the middle of an in-place update and, started again, in the middle of a shadow update and of a
 * rollback for which nothing is sent.
 */
public final class KilledEngineSpec extends FleetSpec {
    static final int WORKERS = 2;

    public KilledEngineSpec() {
        super(WORKERS);
    }

    @Override
    protected void tell(TestFleet fleet) throws Exception {
        EngineProcess survivor = fleet.engine(0);
        fleet.publish("v1");
        fleet.publish("v2");
        fleet.update("v1", LoadMode.SHADOW);

        String id = fleet.beginHeldUpdate("v2", LoadMode.IN_PLACE, 1);
        JsonNode aborted = fleet.abortedBy(() -> fleet.engine(1).kill(), id);
        assertThat(aborted.at("/restore/outcome").asText()).isEqualTo("restored");
        // Nobody knows what a dead engine serves.
        assertThat(aborted.at("/engines/1/engine").asText()).isEqualTo("engine-1");
        assertThat(aborted.at("/engines/1/state").isNull()).as("%s", aborted).isTrue();
        fleet.requireServing("v1", survivor);
        fleet.restartEngine(1, WORKERS);
        fleet.update("v2", LoadMode.IN_PLACE);
        fleet.requireServing("v2", survivor, fleet.engine(1));

        id = fleet.beginHeldUpdate("v1", LoadMode.SHADOW, 1);
        fleet.abortedBy(() -> fleet.engine(1).kill(), id);
        fleet.requireServing("v2", survivor);
        fleet.restartEngine(1, WORKERS);
        // So that it has something to go back to.
        fleet.awaitServing("v2", 1);
        fleet.update("v1", LoadMode.SHADOW);
        fleet.requireServing("v1", survivor, fleet.engine(1));

        id = fleet.beginHeldRollback(LoadMode.SHADOW, 1);
        fleet.requireServing("v1", survivor);
        fleet.engine(1).kill();
        JsonNode rolledBack = fleet.succeeded(id);
        assertThat(rolledBack.path("strategy").asText()).isEqualTo("standby");
        assertThat(rolledBack.path("to").asText()).isEqualTo("v2");
        assertThat(rolledBack.at("/engines/1/outcome").asText()).isEqualTo("failed");
        fleet.requireServing("v2", survivor);
        fleet.restartEngine(1, WORKERS);
        fleet.awaitServing("v2", 1);
        assertThat(fleet.trainer().verify(TestFleet.MODEL).resultJson()).contains("\"verified\":true");
    }
}
