package dev.inflight.tests.update;

import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.multijvm.MultiJvm;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Whoever is lost while weights stream, the others end with the new version, or serve what they served before if it is
 * the coordinator and another one takes over: within 15 s.
 */
class LossIT {
    private static final Duration LIMIT = Duration.ofMinutes(4);

    @ParameterizedTest
    @ValueSource(strings = {"on", "off"})
    void ofAWorkerHostByKill(String mapSharedMemory) throws Exception {
        MultiJvm.of(KilledWorkerSpec.class, FleetSpec.FIRST_WORKER + KilledWorkerSpec.WORKERS)
                .with(KilledWorkerSpec.MAP_SHARED_MEMORY, mapSharedMemory)
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

    @ParameterizedTest
    @ValueSource(strings = {"continue", "abort"})
    void ofAnEngineByKill(String onMemberLoss) throws Exception {
        MultiJvm.of(KilledEngineSpec.class, FleetSpec.FIRST_WORKER + KilledEngineSpec.WORKERS)
                .with(KilledEngineSpec.ON_MEMBER_LOSS, onMemberLoss)
                .run(LIMIT);
    }

    @Test
    void ofAWorkerHostByItsNetwork() throws Exception {
        MultiJvm.of(IsolatedWorkerSpec.class, FleetSpec.FIRST_WORKER + IsolatedWorkerSpec.WORKERS)
                .run(LIMIT);
    }
}
