package dev.inflight.tests.update;

import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.multijvm.MultiJvm;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class TransportIT {
    @Test
    void updatesAreCastAndJoinsComeByUcx() throws Exception {
        MultiJvm.of(TransportSpec.class, FleetSpec.FIRST_WORKER + TransportSpec.WORKERS)
                .killing(FleetSpec.FIRST_WORKER + TransportSpec.KILLED)
                .with(TransportSpec.TRANSPORT, hasUcx() ? "ucx" : "tcp")
                .run(Duration.ofMinutes(4));
    }

    /** Not loaded here: it would change how this process takes signals. */
    private static boolean hasUcx() throws Exception {
        boolean found = new ProcessBuilder("sh", "-c", "ldconfig -p | grep -q libucp.so.0")
                        .start()
                        .waitFor()
                == 0;
        if (!found) {
            System.err.println("SKIPPED: the join by UCX, it goes over TCP; install UCX: apt-get install libucx0");
        }
        return found;
    }
}
