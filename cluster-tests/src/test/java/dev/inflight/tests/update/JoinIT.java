package dev.inflight.tests.update;

import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.multijvm.MultiJvm;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class JoinIT {
    private static final int NODES = FleetSpec.FIRST_WORKER + JoinSpec.WORKERS;
    private static final Duration LIMIT = Duration.ofMinutes(4);

    @Test
    void enginesWithoutWeightsComeToServeWhatTheOthersDo() throws Exception {
        MultiJvm.of(JoinSpec.class, NODES).run(LIMIT);
    }

    @Test
    void theSameWithEveryByteOverTcp() throws Exception {
        MultiJvm.of(JoinSpec.class, NODES)
                .with(JoinSpec.MAP_SHARED_MEMORY, "off")
                .run(LIMIT);
    }

    @Test
    void alsoIfTheCoordinatorIsLostMeanwhile() throws Exception {
        int nodes = FleetSpec.FIRST_WORKER + JoinWithoutCoordinatorSpec.WORKERS + JoinWithoutCoordinatorSpec.STANDBYS;
        MultiJvm.of(JoinWithoutCoordinatorSpec.class, nodes)
                .killing(FleetSpec.FIRST_WORKER - 1)
                .run(LIMIT);
    }
}
