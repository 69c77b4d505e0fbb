package dev.inflight.tests.update;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.cli.client.CoordinatorClient;
import dev.inflight.cli.client.CoordinatorRefusedException;
import dev.inflight.cli.client.UpdateRequest;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.tests.Eventually;
import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.fleet.TestFleet;
import java.time.Duration;

/**
 * The network cuts the coordinator and one of two worker hosts off while they stream. On their side all that the update
 * still needs comes together, and nothing may be committed; the other side takes over.
 */
public final class CutOffCoordinatorSpec extends FleetSpec {
    static final int WORKERS = 2;
    static final int STANDBYS = 2;

    private static final Duration LIMIT = Duration.ofSeconds(15);

    public CutOffCoordinatorSpec() {
        super(WORKERS, STANDBYS);
    }

    @Override
    protected void tell(TestFleet fleet) throws Exception {
        fleet.publish("v1");
        fleet.publish("v2");
        fleet.update("v1", LoadMode.SHADOW);

        // In the shadow, so that the cut-off engine could become v2 with one word, and serves v1 without it.
        String id = fleet.beginHeldUpdate("v2", LoadMode.SHADOW, 0);
        long cut = System.nanoTime();
        isolateCoordinatorWith(0);
        try (CoordinatorClient minority = fleet.firstCoordinator()) {
            requireRefusal(minority);
            // It has lost the others and would go on without them.
            fleet.gate(0).open();
            Eventually.until(
                    "the cut-off coordinator has all that it waits for",
                    LIMIT,
                    () -> "staged".equals(minority.operation(id).phase()));
        }
        JsonNode aborted = fleet.abortedBy(() -> {}, id);
        Duration took = Duration.ofNanos(System.nanoTime() - cut);
        System.out.println("the majority ended the update " + took.toMillis() + " ms after the cut: " + aborted);
        assertThat(took).isLessThan(LIMIT);
        fleet.requireServing("v1", fleet.engine(0), fleet.engine(1));

        fleet.killCoordinator();
        fleet.killWorker(0);
        fleet.restartWorker(0, WORKERS);
        fleet.awaitServing("v1", 0, 1);
        assertThat(fleet.restartCoordinator(STANDBYS))
                .filteredOn(line -> line.contains(id))
                .as("entries about the update")
                .hasSize(2)
                .last()
                .satisfies(line -> assertThat(line).contains("aborted"));
        fleet.update("v2", LoadMode.SHADOW);
        fleet.requireServing("v2", fleet.engine(0), fleet.engine(1));
    }

    /** Until the failure detector has found the others silent, it can not know. */
    private static void requireRefusal(CoordinatorClient minority) {
        Eventually.until("the cut-off coordinator refuses commands", LIMIT, () -> {
            try {
                minority.beginUpdate(new UpdateRequest(TestFleet.MODEL, "v9", "shadow", "broadcast", null));
                throw new IllegalStateException("taken");
            } catch (CoordinatorRefusedException e) {
                return e.status() == 503 && String.valueOf(e.getMessage()).contains("no majority");
            }
        });
    }
}
