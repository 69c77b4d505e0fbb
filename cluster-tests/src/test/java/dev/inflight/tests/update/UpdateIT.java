package dev.inflight.tests.update;

import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.multijvm.MultiJvm;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class UpdateIT {
    private static final int NODES = FleetSpec.FIRST_WORKER + UpdateSpec.WORKERS;
    private static final Duration LIMIT = Duration.ofMinutes(3);

    @Test
    void engineProcessesFollowTheTrainerFromVersionToVersion() throws Exception {
        MultiJvm.of(UpdateSpec.class, NODES).run(LIMIT);
    }

    /** {@link LossIT} has that too, with a loss. */
    @Test
    @Tag("heavy")
    void theSameWithEveryBucketOverTcp() throws Exception {
        MultiJvm.of(UpdateSpec.class, NODES)
                .with(UpdateSpec.MAP_SHARED_MEMORY, "off")
                .run(LIMIT);
    }

    @Test
    void theSameOverAeronUdp() throws Exception {
        MultiJvm.of(UpdateSpec.class, NODES)
                .with(FleetSpec.PROFILE, "aeron-udp")
                .run(LIMIT);
    }
}
