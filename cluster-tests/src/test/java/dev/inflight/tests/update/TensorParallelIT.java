package dev.inflight.tests.update;

import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.multijvm.MultiJvm;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class TensorParallelIT {
    @Test
    void enginesOfATensorParallelGroupHoldTheirSlicesOfEveryVersion() throws Exception {
        MultiJvm.of(TensorParallelSpec.class, FleetSpec.FIRST_WORKER + TensorParallelSpec.WORKERS)
                .run(Duration.ofMinutes(3));
    }
}
