package dev.inflight.tests.update;

import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.multijvm.MultiJvm;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What the coordinator sends and receives for a join does not grow with the checkpoint. */
class JoinTrafficIT {
    private static final long MIB = 1 << 20;

    @Test
    void isTheSameForSixteenTimesTheBytes() throws Exception {
        run(8 * MIB, 128 * MIB);
    }

    @Test
    @Tag("heavy")
    void isTheSameForAGibibyte() throws Exception {
        run(64 * MIB, 1024 * MIB);
    }

    private static void run(long small, long large) throws Exception {
        MultiJvm.of(JoinTrafficSpec.class, FleetSpec.FIRST_WORKER + 1)
                .with(JoinTrafficSpec.SMALL, String.valueOf(small))
                .with(JoinTrafficSpec.LARGE, String.valueOf(large))
                .run(Duration.ofMinutes(4));
    }
}
