package dev.inflight.tests.update;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.cli.load.LoadGenerator;
import dev.inflight.cli.load.LoadReport;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.fleet.TestFleet;
import java.nio.file.Files;
import java.util.Map;

/** Engines come and go, and nobody asks for an update on their account. */
public final class JoinSpec extends FleetSpec {
    /** System property: whether the worker hosts copy from each other's shared memory; {@code on} unless set. */
    static final String MAP_SHARED_MEMORY = "inflight.test.map-shared-memory";

    static final int WORKERS = 3;

    public JoinSpec() {
        super(WORKERS, Map.of("inflight.worker.peer.map-shared-memory", System.getProperty(MAP_SHARED_MEMORY, "on")));
    }

    @Override
    protected void tell(TestFleet fleet) throws Exception {
        fleet.publish("v1");
        fleet.publish("v2");
        fleet.update("v1", LoadMode.SHADOW);

        LoadReport load;
        try (LoadGenerator clients = fleet.ask(fleet.engine(0))) {
            fleet.replaceEngines(1);
            fleet.awaitServing("v1", 1);
            load = clients.stop();
        }
        assertThat(load.failed()).as(load.firstProblem()).isZero();
        assertThat(load.mixed()).as(load.firstProblem()).isZero();

        int added = fleet.addWorker();
        fleet.awaitServing("v1", added);

        fleet.replaceEngines(1, 2, added);
        fleet.awaitServing("v1", 1, 2, added);
        assertThat(fleet.trainer().verify(TestFleet.MODEL).resultJson()).contains("\"verified\":true");

        lossOfAnEngineThatNobodyNeeds(fleet, added);
        updateDuringAJoin(fleet, added);
        leave(fleet, added);
    }

    /** Its host came after v2 was published, and holds nothing of it. */
    private static void lossOfAnEngineThatNobodyNeeds(TestFleet fleet, int lost) throws Exception {
        String id = fleet.beginHeldUpdate("v2", LoadMode.SHADOW, lost);
        fleet.engine(lost).kill();
        Operation ended = fleet.trainer().ended(id);
        assertThat(ended.state()).as("%s", ended).isEqualTo(OperationReply.State.SUCCEEDED);
        assertThat(ended.resultJson()).contains("committed, but not live on");
        fleet.requireServing("v2", fleet.engine(0), fleet.engine(1), fleet.engine(2));
        fleet.restartEngine(lost, WORKERS + 1);
        fleet.awaitServing("v2", lost);
    }

    private static void updateDuringAJoin(TestFleet fleet, int joiner) throws Exception {
        fleet.holdReplacedEngine(joiner);
        JsonNode updated = fleet.update("v1", LoadMode.SHADOW);
        assertThat(updated.path("engines")).as("%s", updated).hasSize(WORKERS + 1);
        fleet.awaitServing("v1", 0, 1, 2, joiner);
    }

    /** A shard of the new version is on the leaving host alone, and its file is gone when the host is. */
    private static void leave(TestFleet fleet, int leaving) throws Exception {
        fleet.publish("v3", 3);
        fleet.engine(leaving).kill();
        fleet.stopAddedWorker();
        Files.delete(fleet.checkpoint("v3").file());
        fleet.update("v3", LoadMode.SHADOW);
        fleet.awaitServing("v3", 0, 1, 2);
    }
}
