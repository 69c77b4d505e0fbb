package dev.inflight.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.inflight.cli.StubCoordinator;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A fleet whose JVMs are a script that announces itself and waits. */
class LocalFleetTest {
    private static final String NO_ENGINE =
            "{\"workers\":[{\"worker\":\"a/0\",\"engine\":{}},{\"worker\":\"b/0\",\"engine\":null}]}";
    private static final String BOTH =
            "{\"workers\":[{\"worker\":\"a/0\",\"engine\":{}},{\"worker\":\"b/0\",\"engine\":{}}]}";

    @TempDir
    private Path directory;

    private final StubCoordinator coordinator = new StubCoordinator();

    @AfterEach
    void stop() {
        coordinator.close();
    }

    @Test
    void startsEveryProcessAndWaitsUntilAllEnginesAreAttached() throws Exception {
        coordinator.on("GET /v1/status", 200, NO_ENGINE).on("GET /v1/status", 200, BOTH);

        try (LocalRun run = LocalRun.begin();
                LocalFleet fleet = LocalFleet.start(run, installation("none"), options())) {
            assertThat(fleet.engines())
                    .hasSize(2)
                    .allSatisfy(engine -> assertThat(engine.getHost()).isEqualTo("127.0.0.1"));
            assertThat(fleet.client().status().path("workers")).hasSize(2);
            assertThat(coordinator.requests()).hasSizeGreaterThanOrEqualTo(3);
            assertThat(run.directory().log("worker-1"))
                    .content()
                    .contains("node --role worker --name " + run.directory().id() + "-worker-1")
                    .contains("--seed akka://inflight@127.0.0.1:")
                    .contains("--exit-with-parent " + ProcessHandle.current().pid());
            assertThat(run.directory().log("engine-0"))
                    .content()
                    .contains("dev.inflight.engine.ReferenceEngine", "--model m", "--modes in-place,shadow");
        }
    }

    @Test
    void namesTheProcessThatDidNotComeUp() throws Exception {
        try (LocalRun run = LocalRun.begin()) {
            Installation broken = installation("worker");

            assertThatExceptionOfType(FleetException.class)
                    .isThrownBy(() -> LocalFleet.start(run, broken, options()))
                    .withMessageContaining("worker-0 ended with exit code 3; its last words: port taken");
        }
    }

    private static FleetOptions options() {
        return new FleetOptions(EngineKind.REFERENCE, 2, "m", Path.of("/unused"), false);
    }

    private Installation installation(String failingRole) throws IOException {
        return AnnouncingJvms.install(directory, failingRole, coordinator.url());
    }
}
