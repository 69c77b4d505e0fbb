package dev.inflight.tests.update;

import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.fleet.TestFleet;

/** The coordinator dies while an engine joins; the one that stood by brings the engine to what the others serve. */
public final class JoinWithoutCoordinatorSpec extends FleetSpec {
    static final int WORKERS = 2;
    static final int STANDBYS = 1;

    public JoinWithoutCoordinatorSpec() {
        super(WORKERS, STANDBYS);
    }

    @Override
    protected void tell(TestFleet fleet) throws Exception {
        fleet.publish("v1");
        fleet.update("v1", LoadMode.SHADOW);
        fleet.holdReplacedEngine(1);
        fleet.killCoordinator();
        fleet.awaitServing("v1", 0, 1);
    }
}
