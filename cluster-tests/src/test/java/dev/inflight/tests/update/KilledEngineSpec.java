package dev.inflight.tests.update;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.tests.fleet.EngineProcess;
import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.fleet.TestFleet;
import java.util.Map;

/**
 * The engine of a worker that owns buckets dies in the middle of an in-place update and, started again, in the middle of a shadow update and of a
 * rollback for which nothing is sent.
 */
public final class KilledEngineSpec extends FleetSpec {
    /** System property: what a loss does to the update, {@code continue} unless set. */
    static final String ON_MEMBER_LOSS = "inflight.test.on-member-loss";

    static final int WORKERS = 2;

    private final boolean goesOn;

    public KilledEngineSpec() {
        this(System.getProperty(ON_MEMBER_LOSS, "continue"));
    }

    private KilledEngineSpec(String onMemberLoss) {
        super(WORKERS, Map.of("inflight.coordinator.update.on-member-loss", onMemberLoss));
        this.goesOn = onMemberLoss.equals("continue");
    }

    @Override
    protected void tell(TestFleet fleet) throws Exception {
        EngineProcess survivor = fleet.engine(0);
        fleet.publish("v1");
        fleet.publish("v2");
        fleet.update("v1", LoadMode.SHADOW);

        JsonNode result = lose(fleet, "v2", LoadMode.IN_PLACE);
        assertThat(result.at("/restore/outcome").asText()).isEqualTo(goesOn ? "" : "restored");
        // Nobody knows what a dead engine serves.
        assertThat(result.at("/engines/1/engine").asText()).isEqualTo("engine-1");
        assertThat(result.at("/engines/1/state").isNull()).as("%s", result).isTrue();
        fleet.requireServing(goesOn ? "v2" : "v1", survivor);
        fleet.restartEngine(1, WORKERS);
        fleet.awaitServing(goesOn ? "v2" : "v1", 1);
        fleet.update("v2", LoadMode.IN_PLACE);
        fleet.requireServing("v2", survivor, fleet.engine(1));

        lose(fleet, "v1", LoadMode.SHADOW);
        fleet.requireServing(goesOn ? "v1" : "v2", survivor);
        fleet.restartEngine(1, WORKERS);
        // So that both have the same to go back to.
        fleet.awaitServing(goesOn ? "v1" : "v2", 1);
        fleet.update("v2", LoadMode.SHADOW);
        fleet.update("v1", LoadMode.SHADOW);
        fleet.requireServing("v1", survivor, fleet.engine(1));

        String id = fleet.beginHeldRollback(LoadMode.SHADOW, 1);
        fleet.requireServing("v1", survivor);
        if (!goesOn) {
            fleet.abortedBy(() -> fleet.engine(1).kill(), id);
            fleet.requireServing("v1", survivor);
            return;
        }
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

    private JsonNode lose(TestFleet fleet, String version, LoadMode mode) throws Exception {
        String id = fleet.beginHeldUpdate(version, mode, 1);
        if (!goesOn) {
            return fleet.abortedBy(() -> fleet.engine(1).kill(), id);
        }
        JsonNode result = fleet.outlives(() -> fleet.engine(1).kill(), id);
        // Its host lives, and so does what it holds.
        assertThat(result.at("/repair/owners/0").asText()).as("%s", result).isEqualTo(fleet.worker(1));
        assertThat(result.at("/repair/standIns")).as("%s", result).hasSize(1);
        assertThat(result.at("/repair/restoredBytes").asLong()).as("%s", result).isZero();
        return result;
    }
}
