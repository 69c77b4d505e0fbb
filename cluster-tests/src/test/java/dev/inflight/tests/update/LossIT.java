package dev.inflight.tests.update;

import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.multijvm.MultiJvm;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Whoever is lost while weights stream, the others end with the new version, or serve what they served before if it is
 * the coordinator and another one takes over: within 15 s. {@code KillMatrixIT} kills in the other phases.
 */
class LossIT {
    private static final Duration LIMIT = Duration.ofMinutes(4);

    /** As from other machines; {@code KillMatrixIT} has hosts that read each other's memory. */
    @Test
    void ofAWorkerHostByKill() throws Exception {
        MultiJvm.of(KilledWorkerSpec.class, FleetSpec.FIRST_WORKER + KilledWorkerSpec.WORKERS)
                .with(KilledWorkerSpec.MAP_SHARED_MEMORY, "off")
                .killing(FleetSpec.FIRST_WORKER + 1)
                .killing(FleetSpec.FIRST_WORKER + 2)
                .run(LIMIT);
    }

    @Test
    void ofTheCoordinatorByItsNetwork() throws Exception {
        int workers = CutOffCoordinatorSpec.WORKERS;
        MultiJvm.of(CutOffCoordinatorSpec.class, FleetSpec.FIRST_WORKER + workers + CutOffCoordinatorSpec.STANDBYS)
                .killing(FleetSpec.FIRST_WORKER - 1)
                .killing(FleetSpec.FIRST_WORKER)
                .run(LIMIT);
    }

    /** {@code KillMatrixIT} has that too. */
    @Test
    @Tag("heavy")
    void ofAnEngineByKill() throws Exception {
        engineByKill("continue");
    }

    @Test
    void ofAnEngineByKillWhereThatIsToAbort() throws Exception {
        engineByKill("abort");
    }

    private static void engineByKill(String onMemberLoss) throws Exception {
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
