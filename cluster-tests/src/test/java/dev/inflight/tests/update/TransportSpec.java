package dev.inflight.tests.update;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.tests.fleet.EngineProcess;
import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.fleet.TestFleet;
import java.util.Map;

/** Updates are cast to three worker hosts that share no memory, and an engine joins from the others' stores. */
public final class TransportSpec extends FleetSpec {
    /** System property: what bytes of the join come by, as in {@code inflight.worker.peer.transport}. */
    static final String TRANSPORT = "inflight.test.transport";

    static final int WORKERS = 3;

    /** Index of the worker that is killed. */
    static final int KILLED = 1;

    public TransportSpec() {
        super(
                WORKERS,
                Map.of(
                        "inflight.worker.peer.map-shared-memory",
                        "off",
                        "inflight.worker.peer.transport",
                        System.getProperty(TRANSPORT, "auto"),
                        "inflight.worker.aeron.term-length",
                        "1 MiB",
                        "inflight.coordinator.update.exchange",
                        "aeron",
                        "inflight.coordinator.update.on-member-loss",
                        "abort",
                        // Five JVMs that start at once on a busy machine.
                        "akka.logger-startup-timeout",
                        "60s"));
    }

    @Override
    protected void tell(TestFleet fleet) throws Exception {
        EngineProcess[] all = fleet.engines().toArray(EngineProcess[]::new);
        fleet.publish("v1");
        fleet.publish("v2");
        requireCast(fleet.update("v1", LoadMode.IN_PLACE));
        fleet.requireServing("v1", all);
        requireCast(fleet.update("v2", LoadMode.SHADOW));
        fleet.requireServing("v2", all);
        assertThat(fleet.trainer().verify(TestFleet.MODEL).resultJson()).contains("\"verified\":true");

        fleet.replaceEngines(1);
        fleet.awaitServing("v2", 1);

        String id = fleet.beginHeldUpdate("v1", LoadMode.SHADOW, 0);
        fleet.abortedBy(() -> fleet.killWorker(KILLED), id);
    }

    private static void requireCast(JsonNode result) {
        assertThat(result.at("/exchange/name").asText()).isEqualTo("aeron");
        assertThat(result.at("/stages/transferSeconds").asDouble()).isPositive();
    }
}
