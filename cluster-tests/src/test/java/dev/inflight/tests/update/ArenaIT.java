package dev.inflight.tests.update;

import dev.inflight.tests.e2e.Python;
import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.multijvm.MultiJvm;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class ArenaIT {
    @Test
    void enginesFollowATrainerThatPublishesItsTensors() throws Exception {
        Python.require();
        MultiJvm.of(ArenaSpec.class, FleetSpec.FIRST_WORKER + ArenaSpec.WORKERS).run(Duration.ofMinutes(4));
    }
}
