package dev.inflight.tests.update;

import dev.inflight.tests.fleet.FleetSpec;
import dev.inflight.tests.multijvm.MultiJvm;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class TransportIT {
    /** Where the tests of gpu-worker unpack Debian's UCX if the machine has none. */
    private static final List<Path> FETCHED = Stream.of("usr/lib", "lib")
            .map(directory -> Path.of("../gpu-worker/target/ucx", directory, "x86_64-linux-gnu"))
            .toList();

    @Test
    void updatesAreCastAndJoinsComeByUcx() throws Exception {
        MultiJvm.of(TransportSpec.class, FleetSpec.FIRST_WORKER + TransportSpec.WORKERS)
                .killing(FleetSpec.FIRST_WORKER + TransportSpec.KILLED)
                .withLibraries(FETCHED)
                .with(TransportSpec.TRANSPORT, hasUcx() ? "ucx" : "tcp")
                .run(Duration.ofMinutes(4));
    }

    /** Not loaded here: it would change how this process takes signals. */
    private static boolean hasUcx() throws Exception {
        boolean found = Files.exists(FETCHED.getFirst().resolve("libucp.so.0"))
                || new ProcessBuilder("sh", "-c", "ldconfig -p | grep -q libucp.so.0")
                                .start()
                                .waitFor()
                        == 0;
        if (!found) {
            System.err.println("SKIPPED: the join by UCX, it goes over TCP; run the tests of gpu-worker, or install"
                    + " UCX: apt-get install libucx0");
        }
        return found;
    }
}
