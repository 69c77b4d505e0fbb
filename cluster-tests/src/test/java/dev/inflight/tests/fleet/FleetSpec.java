package dev.inflight.tests.fleet;

import akka.actor.CoordinatedShutdown;
import akka.cluster.Cluster;
import akka.remote.testconductor.RoleName;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigParseOptions;
import dev.inflight.coordinator.CoordinatorNode;
import dev.inflight.coordinator.CoordinatorSettings;
import dev.inflight.protocol.link.TensorParallel;
import dev.inflight.tests.Eventually;
import dev.inflight.tests.multijvm.MultiJvm;
import dev.inflight.tests.multijvm.MultiNodeJavaSpec;
import dev.inflight.worker.WorkerNode;
import dev.inflight.worker.WorkerSettings;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * A trainer, a coordinator and worker hosts, each a JVM. The trainer's node tells the story, runs the engines and
 * conducts the test; the others serve until it is over.
 */
public abstract class FleetSpec extends MultiNodeJavaSpec {
    /** System property: which of config/*.conf goes on top of the defaults, besides local. */
    public static final String PROFILE = "inflight.test.profile";

    /** Index of the first worker's JVM. */
    public static final int FIRST_WORKER = 2;

    private static final Duration STORY_LIMIT = Duration.ofMinutes(4);
    private static final Path OVER = Path.of("over");

    private final Cast cast;

    /** @param workers how many worker hosts, each with one engine */
    protected FleetSpec(int workers) {
        this(workers, 0);
    }

    /**
     * @param workers how many worker hosts, each with one engine
     * @param standbys how many further coordinators there are; their JVMs come after the workers'
     */
    protected FleetSpec(int workers, int standbys) {
        this(new Cast(workers, standbys, Map.of()));
    }

    /**
     * @param workers how many worker hosts, each with one engine
     * @param settings on top of every node's configuration
     */
    protected FleetSpec(int workers, Map<String, ?> settings) {
        this(new Cast(workers, 0, settings));
    }

    private FleetSpec(Cast cast) {
        super(cast, "inflight");
        this.cast = cast;
    }

    /** Runs on the trainer's node once the fleet is up and every engine attached. */
    protected abstract void tell(TestFleet fleet) throws Exception;

    /** What the engine of a worker holds of each tensor; everything unless a spec says otherwise. */
    protected TensorParallel share(int worker) {
        return TensorParallel.NONE;
    }

    /** Who plays. */
    private static final class Cast extends Roles {
        final RoleName trainer = role("trainer");
        final RoleName coordinator = role("coordinator");
        final List<RoleName> workers = new ArrayList<>();
        final List<RoleName> standbys = new ArrayList<>();

        Cast(int count, int standbyCount, Map<String, ?> settings) {
            for (int index = 0; index < count; index++) {
                workers.add(role("worker-" + index));
            }
            for (int index = 0; index < standbyCount; index++) {
                standbys.add(role("standby-" + index));
            }
            common(ConfigFactory.parseMap(settings).withFallback(configuration()));
            nodeConfig(coordinator, roles("coordinator"));
            standbys.forEach(standby -> nodeConfig(standby, roles("coordinator")));
            for (RoleName worker : workers) {
                nodeConfig(
                        worker,
                        roles("worker")
                                .withFallback(ConfigFactory.parseMap(
                                        Map.of("inflight.worker.name", workerName(worker.name())))));
            }
        }

        private void nodeConfig(RoleName role, Config config) {
            nodeConfig(
                    scala.jdk.javaapi.CollectionConverters.asScala(List.of(role))
                            .toSeq(),
                    scala.jdk.javaapi.CollectionConverters.asScala(List.of(config))
                            .toSeq());
        }

        private static Config roles(String role) {
            return ConfigFactory.parseMap(Map.of("akka.cluster.roles", List.of(role)));
        }

        private static Config configuration() {
            Config own = ConfigFactory.parseMap(Map.of(
                    "inflight.worker.run-dir", shared().toString(),
                    "inflight.worker.slot-memory", "8 MiB",
                    "inflight.coordinator.http.port", 0,
                    // Many buckets of a small checkpoint.
                    "inflight.coordinator.update.min-slot", "1 MiB",
                    "inflight.coordinator.update.max-slot", "1 MiB",
                    // The multi-node testkit's newest release is older than Akka's.
                    "akka.fail-mixed-versions", "off",
                    "akka.coordinated-shutdown.exit-jvm", "off",
                    "akka.coordinated-shutdown.terminate-actor-system", "off",
                    "akka.coordinated-shutdown.run-by-actor-system-terminate", "off",
                    "akka.testconductor.barrier-timeout", "120s"));
            // What a node sets for itself; config/aeron-udp.conf names the driver's directory after it.
            long pid = ProcessHandle.current().pid();
            Config process = ConfigFactory.parseMap(Map.of(
                    "inflight.process",
                    pid,
                    "inflight.coordinator.data-dir",
                    NodeFile.ledger(shared(), pid).toString()));
            // Loading classes may take longer than the default on a machine that builds beside.
            Config patience = ConfigFactory.parseMap(Map.of("akka.logger-startup-timeout", "60s"));
            return own.withFallback(process)
                    .withFallback(patience)
                    .withFallback(profile(System.getProperty(PROFILE, "local")))
                    .withFallback(profile("local"))
                    .withFallback(ConfigFactory.parseResources("application.conf"));
        }

        private static Config profile(String name) {
            return ConfigFactory.parseFile(
                    Path.of("..", "config", name + ".conf").toFile(),
                    ConfigParseOptions.defaults().setAllowMissing(false));
        }
    }

    @Override
    protected final void play() throws Exception {
        joinAll(cast.coordinator);
        if (plays(cast.trainer)) {
            barrier("fleet-started");
            train();
        } else {
            serve();
        }
    }

    private void train() throws Exception {
        try (TestFleet fleet = TestFleet.start(
                shared(),
                typedSystem(),
                node(cast.coordinator).address(),
                cast.workers.stream().map(worker -> workerName(worker.name())).toList(),
                this::share)) {
            tell(fleet);
        } finally {
            Files.createFile(shared().resolve(OVER));
        }
    }

    private void serve() throws Exception {
        Config config = system().settings().config();
        String http = "";
        boolean worker = cast.workers.contains(myself());
        if (!worker) {
            TrafficReader.start(system());
            http = CoordinatorNode.start(typedSystem(), CoordinatorSettings.from(config))
                    .toCompletableFuture()
                    .get(60, TimeUnit.SECONDS)
                    .httpUri()
                    .toString();
        } else {
            WorkerNode.start(typedSystem(), WorkerSettings.from(config));
        }
        NodeFile.write(
                shared(),
                worker ? workerName(myself().name()) : myself().name(),
                Cluster.get(system()).selfAddress().toString(),
                http);
        barrier("fleet-started");
        Eventually.until("the story is over", STORY_LIMIT, () -> Files.exists(shared().resolve(OVER)));
        // Only the last phase, which frees memory: nobody is left to hand anything over to.
        CoordinatedShutdown.get(system())
                .run(CoordinatedShutdown.unknownReason(), Optional.of(CoordinatedShutdown.PhaseActorSystemTerminate()))
                .toCompletableFuture()
                .get(30, TimeUnit.SECONDS);
    }

    /** Cuts the worker's node off from all others. Trainer's node only. */
    protected final void isolate(int worker) throws Exception {
        isolate(Set.of(cast.workers.get(worker)));
    }

    /** Cuts the coordinator and a worker's node off from all others, but not from each other. Trainer's node only. */
    protected final void isolateCoordinatorWith(int worker) throws Exception {
        isolate(Set.of(cast.coordinator, cast.workers.get(worker)));
    }

    private void isolate(Set<RoleName> side) throws Exception {
        for (RoleName one : side) {
            for (RoleName other : roleNames()) {
                if (!side.contains(other)) {
                    await(testConductor().blackhole(one, other, akka.remote.testkit.Direction.Both$.MODULE$));
                }
            }
        }
    }

    private List<RoleName> roleNames() {
        List<RoleName> all = new ArrayList<>(cast.workers);
        all.addAll(cast.standbys);
        all.add(cast.trainer);
        all.add(cast.coordinator);
        return all;
    }

    /** Carries the run's name, which is also in the names of its shared-memory files. */
    private static String workerName(String role) {
        return shared().getFileName() + "-" + role;
    }

    private static Path shared() {
        return Path.of(System.getProperty(MultiJvm.SHARED_DIRECTORY));
    }
}
