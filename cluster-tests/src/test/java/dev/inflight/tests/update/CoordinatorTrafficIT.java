package dev.inflight.tests.update;

import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.multijvm.MultiJvm;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** The coordinator decides; its traffic grows neither with a checkpoint's bytes nor with its tensors. */
class CoordinatorTrafficIT {
    @Test
    void isTheSameForLargeCheckpoints() throws Exception {
        MultiJvm.of(CoordinatorTrafficSpec.class, FleetSpec.FIRST_WORKER + CoordinatorTrafficSpec.WORKERS)
                .run(Duration.ofMinutes(3));
    }
}
