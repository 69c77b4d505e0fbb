package dev.inflight.tests.update;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.cli.load.LoadGenerator;
import dev.inflight.cli.load.LoadReport;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.tests.fleet.EngineProcess;
import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.fleet.TestFleet;
import java.time.Duration;

/** The coordinator dies while the fleet streams; another one that stood by takes the update over and ends it. */
public final class KilledCoordinatorSpec extends FleetSpec {
    static final int WORKERS = 2;
    static final int STANDBYS = 1;

    /** System property: the load mode of the update, as {@link LoadMode} names it. */
    static final String MODE = "inflight.test.mode";

    /** The cluster must be sure of the death before the singleton moves. */
    private static final Duration LIMIT = Duration.ofSeconds(15);

    public KilledCoordinatorSpec() {
        super(WORKERS, STANDBYS);
    }

    @Override
    protected void tell(TestFleet fleet) throws Exception {
        LoadMode mode = LoadMode.valueOf(System.getProperty(MODE));
        EngineProcess[] all = fleet.engines().toArray(EngineProcess[]::new);
        fleet.publish("v1");
        fleet.publish("v2");
        fleet.update("v1", LoadMode.SHADOW);

        LoadReport load;
        try (LoadGenerator clients = fleet.ask(all)) {
            String id = fleet.beginHeldUpdate("v2", mode, 1);
            JsonNode aborted = fleet.abortedBy(fleet::killCoordinator, id, LIMIT);
            if (mode == LoadMode.IN_PLACE) {
                assertThat(aborted.at("/restore/outcome").asText())
                        .as("%s", aborted)
                        .isEqualTo("restored");
            }
            fleet.requireServing("v1", all);
            load = clients.stop();
        }
        assertThat(load.failed()).as(load.firstProblem()).isZero();
        assertThat(load.mixed()).as(load.firstProblem()).isZero();

        fleet.update("v2", mode);
        fleet.requireServing("v2", all);
    }
}
