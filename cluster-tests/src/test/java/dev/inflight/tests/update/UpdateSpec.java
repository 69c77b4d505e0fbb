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

/** Engines take a first version, then a second while clients keep asking. */
public final class UpdateSpec extends FleetSpec {
    /** System property: whether the worker hosts read each other's slots in shared memory; {@code on} unless set. */
    static final String MAP_SHARED_MEMORY = "inflight.test.map-shared-memory";

    static final int WORKERS = 2;

    private final boolean mapped;

    public UpdateSpec() {
        this(System.getProperty(MAP_SHARED_MEMORY, "on"));
    }

    private UpdateSpec(String mapSharedMemory) {
        super(WORKERS, Map.of("inflight.worker.peer.map-shared-memory", mapSharedMemory));
        this.mapped = mapSharedMemory.equals("on");
    }

    @Override
    protected void tell(TestFleet fleet) throws Exception {
        assertThat(system().settings().config().getString("akka.remote.artery.transport"))
                .isEqualTo(System.getProperty(PROFILE, "tcp"));
        EngineProcess[] all = fleet.engines().toArray(EngineProcess[]::new);
        fleet.publish("v1");
        fleet.publish("v2");
        requireTransfers(fleet.update("v1", LoadMode.IN_PLACE));
        fleet.requireServing("v1", all);

        LoadReport load;
        try (LoadGenerator clients = fleet.ask(all)) {
            JsonNode result = fleet.update("v2", LoadMode.SHADOW);
            requireTransfers(result);
            assertThat(result.path("from").asText()).isEqualTo("v1");
            assertThat(result.path("engines")).hasSize(WORKERS);
            load = clients.stop();
        }

        assertThat(load.sent()).isPositive();
        assertThat(load.failed()).as(load.firstProblem()).isZero();
        assertThat(load.mixed()).as(load.firstProblem()).isZero();
        fleet.requireServing("v2", all);
        assertThat(fleet.trainer().verify(TestFleet.MODEL).resultJson()).contains("\"verified\":true");
    }

    /** Only bytes that come over a socket take time to transfer. */
    private void requireTransfers(JsonNode result) {
        double seconds = result.at("/stages/transferSeconds").asDouble();
        assertThat(seconds > 0).as("transfers take %s s", seconds).isEqualTo(!mapped);
    }
}
