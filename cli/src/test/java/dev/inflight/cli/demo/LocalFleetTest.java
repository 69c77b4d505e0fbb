package dev.inflight.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.inflight.cli.StubCoordinator;
import dev.inflight.protocol.link.SliceRule;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A fleet whose JVMs are a script that announces itself and waits. */
class LocalFleetTest {
    private static final String NO_ENGINE =
            "{\"hosts\":[{},{}],\"workers\":[{\"worker\":\"a/0\",\"engine\":{}},{\"worker\":\"b/0\",\"engine\":null}]}";
    private static final String BOTH =
            "{\"hosts\":[{},{}],\"workers\":[{\"worker\":\"a/0\",\"engine\":{}},{\"worker\":\"b/0\",\"engine\":{}}]}";

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
    void furtherHostsGetTheirOwnSettingsAndTheNextNumbers() throws Exception {
        coordinator.on("GET /v1/status", 200, BOTH);

        try (LocalRun run = LocalRun.begin();
                LocalFleet fleet = LocalFleet.start(run, installation("none"), options())) {
            List<FleetHost> added = fleet.addHosts(2, Map.of("inflight.worker.peer.map-shared-memory", "off"), 0);

            assertThat(added)
                    .extracting(FleetHost::name)
                    .containsExactly(
                            run.directory().id() + "-worker-2", run.directory().id() + "-worker-3");
            assertThat(fleet.hosts()).hasSize(4).endsWith(added.get(1));
            assertThat(fleet.engines()).hasSize(4);
            assertThat(added.getFirst().engines())
                    .singleElement()
                    .satisfies(engine -> assertThat(engine.id()).isEqualTo("engine-2"));
            assertThat(run.directory().log("worker-2")).content().contains("map-shared-memory=off");
            assertThat(run.directory().log("worker-1")).content().doesNotContain("map-shared-memory");
        }
    }

    @Test
    void whoWasEndedOnPurposeIsNotMissed() throws Exception {
        coordinator.on("GET /v1/status", 200, BOTH);

        try (LocalRun run = LocalRun.begin();
                LocalFleet fleet = LocalFleet.start(run, installation("none"), options())) {
            fleet.kill(fleet.hosts().getFirst());
            fleet.stop(fleet.hosts().getLast(), Duration.ofSeconds(10));

            fleet.requireAllAlive();
            assertThat(fleet.workerPids())
                    .noneMatch(pid -> ProcessHandle.of(pid).isPresent());
        }
    }

    @Test
    void onGpusOneHostHasAllWorkersAndEveryEngineSeesItsOwnGpuOnly() throws Exception {
        coordinator.on("GET /v1/status", 200, BOTH);
        Installation jvms = installation("none");
        Installation installation = new Installation(jvms.java(), jvms.classPath(), Optional.of(directory));
        FleetOptions onGpus = new FleetOptions(
                EngineKind.TORCH,
                2,
                "m",
                Path.of("/checkpoint"),
                true,
                new FleetDevice(FleetDevice.Kind.CUDA, 768 << 20, List.of("GPU-a", "GPU-b"), 1),
                new TensorParallelGroups(2, List.of(new SliceRule("*.o.weight", 1), new SliceRule("*.q.weight", 0))),
                Map.of("inflight.coordinator.update.max-slots", "1"));
        Map<String, String> environment = Map.of("INFLIGHT_PYTHON", jvms.java().toString());

        try (LocalRun run = LocalRun.begin();
                LocalFleet fleet = LocalFleet.start(run, installation, onGpus, environment)) {
            assertThat(fleet.engines()).hasSize(2);
            assertThat(fleet.workerPids())
                    .singleElement()
                    .satisfies(pid -> assertThat(
                                    ProcessHandle.of(pid).orElseThrow().isAlive())
                            .isTrue());
            assertThat(run.directory().log("worker-0"))
                    .content()
                    .contains(
                            "-Dinflight.worker.device=cuda",
                            "-Dinflight.worker.slot-memory=805306368",
                            "-Dinflight.worker.memory-fraction=0.25",
                            "-Dinflight.worker.gpus.0=GPU-a",
                            "-Dinflight.worker.gpus.1=GPU-b",
                            "-Dinflight.coordinator.update.max-slots=1",
                            "--workers 2");
            assertThat(run.directory().log("worker-1")).doesNotExist();
            assertThat(run.directory().log("coordinator"))
                    .content()
                    .contains("-Dinflight.coordinator.update.max-slots=1")
                    .doesNotContain("inflight.worker.device");
            assertThat(run.directory().log("engine-1"))
                    .content()
                    .contains(
                            "-m inflight.engine --architecture /checkpoint --device cuda --reserve-shadow",
                            "--link /run/" + run.directory().id() + "-worker-0-1.sock",
                            "--tp-rank 1 --tp-size 2 --slices *.o.weight=1,*.q.weight=0",
                            "CUDA_VISIBLE_DEVICES is GPU-b");
            assertThat(run.directory().log("engine-0")).content().contains("CUDA_VISIBLE_DEVICES is GPU-a");
        }
    }

    @Test
    void onGpusWorkersCanBeSpreadOverHosts() throws Exception {
        coordinator.on("GET /v1/status", 200, BOTH);
        Installation jvms = installation("none");
        Installation installation = new Installation(jvms.java(), jvms.classPath(), Optional.of(directory));
        FleetOptions onGpus = new FleetOptions(
                EngineKind.TORCH,
                2,
                "m",
                Path.of("/checkpoint"),
                false,
                new FleetDevice(FleetDevice.Kind.CUDA, 768 << 20, List.of("GPU-a", "GPU-b"), 2),
                TensorParallelGroups.NONE,
                Map.of());
        Map<String, String> environment = Map.of("INFLIGHT_PYTHON", jvms.java().toString());

        try (LocalRun run = LocalRun.begin();
                LocalFleet fleet = LocalFleet.start(run, installation, onGpus, environment)) {
            assertThat(fleet.workerPids()).hasSize(2);
            assertThat(run.directory().log("worker-0"))
                    .content()
                    .contains("-Dinflight.worker.gpus.0=GPU-a", "--workers 1");
            assertThat(run.directory().log("worker-1"))
                    .content()
                    .contains("-Dinflight.worker.gpus.0=GPU-b", "--workers 1")
                    .doesNotContain("GPU-a");
            assertThat(run.directory().log("engine-1"))
                    .content()
                    .contains(
                            "--link /run/" + run.directory().id() + "-worker-1-0.sock",
                            "CUDA_VISIBLE_DEVICES is GPU-b");
        }
    }

    @Test
    void workersThatCanNotBeSpreadEvenlyAreRefused() {
        FleetDevice device = new FleetDevice(FleetDevice.Kind.CUDA, 768 << 20, List.of("GPU-a"), 2);
        assertThatExceptionOfType(IllegalArgumentException.class)
                .isThrownBy(() -> device.workersPerHost(3))
                .withMessage("3 workers can not be spread evenly over 2 worker hosts");
    }

    @Test
    void moreWorkersThanGpusShareThem() {
        FleetDevice device = new FleetDevice(FleetDevice.Kind.CUDA, 768 << 20, List.of("GPU-a", "GPU-b"), 1);
        assertThat(device.gpu(2)).isEqualTo("GPU-a");
        assertThat(device.workerSettings(0, 3)).containsEntry("inflight.worker.gpus.2", "GPU-a");
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
        return new FleetOptions(
                EngineKind.REFERENCE,
                2,
                "m",
                Path.of("/unused"),
                false,
                FleetDevice.HOST,
                TensorParallelGroups.NONE,
                Map.of());
    }

    private Installation installation(String failingRole) throws IOException {
        return AnnouncingJvms.install(directory, failingRole, coordinator.url());
    }
}
