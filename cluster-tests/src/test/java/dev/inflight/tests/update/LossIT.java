package dev.inflight.tests.update;

import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.multijvm.MultiJvm;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** Whoever is lost while weights stream, the update ends within 15 s and the others serve what they served before. */
class LossIT {
    private static final Duration LIMIT = Duration.ofMinutes(4);

    @Test
    void ofAWorkerHostByKill() throws Exception {
        MultiJvm.of(KilledWorkerSpec.class, FleetSpec.FIRST_WORKER + KilledWorkerSpec.WORKERS)
                .killing(FleetSpec.FIRST_WORKER + 1)
                .killing(FleetSpec.FIRST_WORKER + 2)
                .run(LIMIT);
    }

    @Test
    void ofAnEngineByKill() throws Exception {
        MultiJvm.of(KilledEngineSpec.class, FleetSpec.FIRST_WORKER + KilledEngineSpec.WORKERS)
                .run(LIMIT);
    }

    @Test
    void ofAWorkerHostByItsNetwork() throws Exception {
        MultiJvm.of(IsolatedWorkerSpec.class, FleetSpec.FIRST_WORKER + IsolatedWorkerSpec.WORKERS)
                .run(LIMIT);
    }
}
