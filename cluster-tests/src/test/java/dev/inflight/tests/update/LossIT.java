package dev.inflight.tests.update;

import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.multijvm.MultiJvm;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Whoever is lost while weights stream, the others serve what they served before: within 15 s, also if it is the
 * coordinator and another one takes over.
 */
class LossIT {
    private static final Duration LIMIT = Duration.ofMinutes(4);

    @Test
    void ofAWorkerHostByKill() throws Exception {
        MultiJvm.of(KilledWorkerSpec.class, FleetSpec.FIRST_WORKER + KilledWorkerSpec.WORKERS)
                .killing(FleetSpec.FIRST_WORKER + 1)
                .killing(FleetSpec.FIRST_WORKER + 2)
                .run(LIMIT);
    }

    @ParameterizedTest
    @EnumSource
    void ofTheCoordinatorByKill(LoadMode mode) throws Exception {
        int workers = KilledCoordinatorSpec.WORKERS;
        MultiJvm.of(KilledCoordinatorSpec.class, FleetSpec.FIRST_WORKER + workers + KilledCoordinatorSpec.STANDBYS)
                .killing(FleetSpec.FIRST_WORKER - 1)
                .with(KilledCoordinatorSpec.MODE, mode.name())
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
