package dev.inflight.tests.update;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.cli.load.LoadGenerator;
import dev.inflight.cli.load.LoadReport;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.link.SliceRule;
import dev.inflight.protocol.link.TensorParallel;
import dev.inflight.tests.fleet.EngineProcess;
import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.fleet.TestFleet;
import java.util.List;
import java.util.Map;

/** The two ranks of a tensor-parallel group on two hosts follow the trainer, each with its slices. */
public final class TensorParallelSpec extends FleetSpec {
    static final int WORKERS = 2;

    private static final List<SliceRule> RULES =
            List.of(new SliceRule("layers.*.weight", 1), new SliceRule("embedding", 0));

    public TensorParallelSpec() {
        // Each rank then verifies half of its blocks with the other host.
        super(WORKERS, Map.of("inflight.worker.peer.map-shared-memory", "off"));
    }

    @Override
    protected TensorParallel share(int worker) {
        return new TensorParallel(worker, WORKERS, RULES);
    }

    @Override
    protected void tell(TestFleet fleet) throws Exception {
        EngineProcess[] ranks = fleet.engines().toArray(EngineProcess[]::new);
        fleet.publish("v1");
        fleet.publish("v2");
        fleet.update("v1", LoadMode.IN_PLACE);
        fleet.requireServing("v1", ranks);
        requireVerified(fleet);

        LoadReport load;
        try (LoadGenerator clients = fleet.ask(ranks)) {
            fleet.update("v2", LoadMode.SHADOW);
            load = clients.stop();
        }

        assertThat(load.sent()).isPositive();
        assertThat(load.failed()).as(load.firstProblem()).isZero();
        assertThat(load.mixed()).as(load.firstProblem()).isZero();
        fleet.requireServing("v2", ranks);
        requireVerified(fleet);

        // A rank that starts anew joins: its host takes what that rank lacks of the other host's shard.
        fleet.replaceEngines(1);
        fleet.awaitServing("v2", 1);
        requireVerified(fleet);

        // Its tensors have one dimension only.
        fleet.publish("misfit", 4, 1 << 20);
        OperationReply.Operation refused =
                fleet.trainer().ended(fleet.trainer().beginUpdate(TestFleet.MODEL, "misfit", LoadMode.IN_PLACE));
        assertThat(refused.state()).isEqualTo(OperationReply.State.FAILED);
        assertThat(refused.toString()).contains("layers.0.weight", "[262144]", "tpSize 2", "no dimension 1");
        fleet.requireServing("v2", fleet.engine(0), fleet.engine(1));
    }

    private static void requireVerified(TestFleet fleet) {
        assertThat(fleet.trainer().verify(TestFleet.MODEL).resultJson()).contains("\"verified\":true");
    }
}
