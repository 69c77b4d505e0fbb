package dev.inflight.tests.fleet;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.cli.client.CoordinatorClient;
import dev.inflight.cli.client.Operation;
import dev.inflight.cli.client.Origin;
import dev.inflight.cli.client.UpdateRequest;
import dev.inflight.cli.load.LoadGenerator;
import dev.inflight.cli.load.LoadSettings;
import dev.inflight.protocol.link.TensorParallel;
import dev.inflight.tests.Eventually;
import dev.inflight.tests.multijvm.Leftovers;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * Coordinators, worker hosts of one engine each, and these engines behind gates: every one a process as an operator
 * starts it. The coordinators are in the order of their age, so the first one decides. Used by one thread.
 */
public final class ProcessFleet implements AutoCloseable {
    public static final List<String> VERSIONS = List.of("v1", "v2");

    private static final String MODEL = "toy";
    private static final Duration LIMIT = Duration.ofSeconds(60);

    private final Path directory;
    private final Path logs;
    private final Map<String, TestCheckpoint> checkpoints = new HashMap<>();
    private final List<NodeProcess> coordinators = new ArrayList<>();
    private final List<NodeProcess> paused = new ArrayList<>();
    private final Map<NodeProcess, CoordinatorClient> clients = new HashMap<>();
    private final List<NodeProcess> workers = new ArrayList<>();
    private final List<GatedLink> gates = new ArrayList<>();
    private final List<EngineProcess> engines = new ArrayList<>();
    private int updates;

    private ProcessFleet(Path directory, Path logs) {
        this.directory = directory;
        this.logs = logs;
    }

    /**
     * Starts a fleet whose engines are attached and serve v1.
     *
     * @param name of the directory under target/ that the logs go to
     * @param settings of every node, as {@code path=value}
     */
    public static ProcessFleet start(String name, int coordinators, int workers, List<String> settings)
            throws Exception {
        // Under /tmp itself: engines' sockets lie in it, and their paths may have 107 bytes.
        Path directory = Files.createTempDirectory(Path.of("/tmp"), "inflight-test-");
        ProcessFleet fleet = new ProcessFleet(directory, Files.createDirectories(Path.of("target", name)));
        try {
            fleet.start(coordinators, workers, settings);
            return fleet;
        } catch (Exception | AssertionError e) {
            fleet.close();
            throw e;
        }
    }

    private void start(int coordinatorCount, int workerCount, List<String> settings) throws Exception {
        for (int index = 0; index < coordinatorCount; index++) {
            coordinators.add(node("coordinator", index, settings));
        }
        for (int index = 0; index < workerCount; index++) {
            workers.add(node("worker", index, settings));
        }
        List<String> first = List.of(coordinators.getFirst().address());
        for (NodeProcess coordinator : coordinators) {
            coordinator.start(first);
            coordinator.awaitUp();
            connect(coordinator);
            // One after the other: the oldest decides, and the next oldest after it.
            awaitMembers(coordinators.indexOf(coordinator) + 1);
        }
        for (NodeProcess worker : workers) {
            worker.start(first);
        }
        for (int index = 0; index < workerCount; index++) {
            gates.add(GatedLink.open(
                    directory.resolve("gate-" + index + ".sock"),
                    workers.get(index).socket()));
            engines.add(startEngine(index));
        }
        awaitMembers();
        awaitAttached();
        for (String version : VERSIONS) {
            Path file = directory.resolve(version + ".safetensors");
            checkpoints.put(version, TestCheckpoint.write(file, version.hashCode()));
            Operation published = client().publish(MODEL, version, file.toString(), any -> {});
            assertThat(published.succeeded()).as("%s", published).isTrue();
        }
        Operation updated = client().update(request("v1", "shadow"), any -> {});
        assertThat(updated.succeeded()).as("%s", updated).isTrue();
        requireServing("v1", engines);
    }

    private NodeProcess node(String role, int index, List<String> settings) {
        List<String> all = new ArrayList<>(List.of(
                "inflight.worker.slot-memory=8MiB",
                // Many buckets of a small checkpoint.
                "inflight.coordinator.update.min-slot=1MiB",
                "inflight.coordinator.update.max-slot=1MiB"));
        all.addAll(settings);
        // The run's name is in that of a host, and so in those of its shared-memory files.
        return new NodeProcess(directory, role, directory.getFileName() + "-" + role + "-" + index, all);
    }

    private EngineProcess startEngine(int index) throws IOException {
        return EngineProcess.start(
                directory, "engine-" + index, MODEL, gates.get(index).socket(), TensorParallel.NONE);
    }

    /**
     * Begins an update of all engines.
     *
     * @param certain whether to wait until a majority of the coordinators knows of it
     */
    public String beginUpdate(String version, String mode, boolean certain) throws IOException, InterruptedException {
        Origin origin = new Origin("test", certain ? "update-" + ++updates : null);
        return client().beginUpdate(request(version, mode), origin);
    }

    private static UpdateRequest request(String version, String mode) {
        return new UpdateRequest(MODEL, version, mode, "broadcast", null);
    }

    /** Waits until an operation is in a phase; it must not end instead. */
    public void awaitPhase(String id, String phase) {
        Eventually.until(id + " is " + phase, LIMIT, () -> {
            Operation operation = client().operation(id);
            if (!operation.running()) {
                throw new IllegalStateException("ended: " + operation);
            }
            return phase.equals(operation.phase());
        });
    }

    /** Waits until an engine has said what its gate keeps back. */
    public void awaitHeld(int index) {
        Eventually.until(
                "engine " + index + " has answered",
                LIMIT,
                () -> gates.get(index).holds());
    }

    /** Waits for an operation's end, whoever of the coordinators that are left tells it. */
    public Operation awaitEnd(String id) {
        Operation[] last = new Operation[1];
        Eventually.until("the end of " + id, LIMIT, () -> {
            last[0] = client().operation(id);
            return !last[0].running();
        });
        return last[0];
    }

    /** The one that decides. */
    public NodeProcess coordinator() {
        return coordinators.getFirst();
    }

    /** Those that stand by. */
    public List<NodeProcess> standbys() {
        return List.copyOf(coordinators.subList(1, coordinators.size()));
    }

    public NodeProcess worker(int index) {
        return workers.get(index);
    }

    public GatedLink gate(int index) {
        return gates.get(index);
    }

    public EngineProcess engine(int index) {
        return engines.get(index);
    }

    public List<EngineProcess> engines() {
        return List.copyOf(engines);
    }

    /** Ends the coordinator that decides with SIGKILL. Another is asked from now on. */
    public NodeProcess killCoordinator() {
        NodeProcess killed = coordinators.removeFirst();
        killed.kill();
        forget(killed);
        return killed;
    }

    /** Stops the coordinator that decides in mid-air. Another is asked from now on. */
    public NodeProcess pauseCoordinator() throws IOException, InterruptedException {
        NodeProcess silent = coordinators.removeFirst();
        silent.pause();
        forget(silent);
        paused.add(silent);
        return silent;
    }

    /** Starts a killed coordinator again, which is then the youngest. It need not be a member yet. */
    public void restart(NodeProcess coordinator) throws IOException {
        coordinator.start(coordinators.stream().map(NodeProcess::address).toList());
        coordinators.add(coordinator);
    }

    /** Waits until a node says of itself that it decides. */
    public void awaitDecides(NodeProcess coordinator) {
        Eventually.until(
                coordinator.name() + " decides",
                LIMIT,
                () -> connect(coordinator).metrics().lines().anyMatch("inflight_coordinator_leader 1.0"::equals));
    }

    /** Starts a killed worker host again. */
    public void restartWorker(int index) throws IOException {
        workers.get(index).start(coordinators.stream().map(NodeProcess::address).toList());
    }

    public void restartEngine(int index) throws IOException {
        engines.set(index, startEngine(index));
    }

    /** Waits until every node that was started is a member and reachable. */
    public void awaitMembers() throws IOException {
        for (NodeProcess node : nodes()) {
            node.awaitUp();
        }
        awaitMembers(coordinators.size() + workers.size());
    }

    private void awaitMembers(int wanted) {
        Eventually.until(wanted + " members are up", LIMIT, () -> {
            JsonNode members = client().status().at("/cluster/members");
            long up = members.valueStream()
                    .filter(member -> member.path("status").asText().equals("up")
                            && member.path("reachable").asBoolean())
                    .count();
            return members.size() == wanted && up == wanted;
        });
    }

    /** Waits until every worker has its engine. */
    public void awaitAttached() {
        Eventually.until(
                engines.size() + " engines are attached",
                LIMIT,
                () -> status().stream().filter(JsonNode::isObject).count() == engines.size());
    }

    /** Waits until every engine serves a version, joins included, and asserts that it serves exactly its bytes. */
    public void awaitServing(String version) throws Exception {
        Eventually.until(
                "all engines serve " + version,
                LIMIT,
                () -> status().stream()
                                .filter(engine -> engine.path("state").asText().equals("SERVING"))
                                .filter(engine ->
                                        engine.path("version").asText().equals(version))
                                .filter(engine ->
                                        engine.at("/join/operation").asText("").isEmpty())
                                .count()
                        == engines.size());
        requireServing(version, engines);
    }

    /** Asserts that these engines serve a version and exactly its bytes. */
    public void requireServing(String version, List<EngineProcess> which) throws Exception {
        for (EngineProcess engine : which) {
            engine.requireServing(version, checkpoints.get(version).answers());
        }
    }

    /** Keeps asking these engines until it is stopped. */
    public LoadGenerator ask(List<EngineProcess> which) {
        Map<String, LongFunction<String>> answers = new HashMap<>();
        checkpoints.forEach((version, checkpoint) -> answers.put(version, checkpoint.answers()));
        return LoadGenerator.start(which.stream().map(EngineProcess::http).toList(), answers, LoadSettings.steady(7));
    }

    /** What the coordinator says of each worker's engine. */
    private List<JsonNode> status() throws IOException, InterruptedException {
        return client().status()
                .path("workers")
                .valueStream()
                .map(worker -> worker.path("engine"))
                .toList();
    }

    private CoordinatorClient client() throws IOException {
        return connect(coordinators.getFirst());
    }

    private CoordinatorClient connect(NodeProcess coordinator) throws IOException {
        CoordinatorClient known = clients.get(coordinator);
        if (known == null) {
            known = new CoordinatorClient(
                    URI.create(coordinator.awaitUp().path("http").asText()));
            clients.put(coordinator, known);
        }
        return known;
    }

    private void forget(NodeProcess coordinator) {
        @Nullable CoordinatorClient gone = clients.remove(coordinator);
        if (gone != null) {
            gone.close();
        }
    }

    private List<NodeProcess> nodes() {
        List<NodeProcess> nodes = new ArrayList<>(coordinators);
        nodes.addAll(workers);
        return nodes;
    }

    /** Not in order: a fleet that ends as a whole has nobody to hand anything over to. */
    @Override
    public void close() throws Exception {
        for (EngineProcess engine : engines) {
            engine.end();
        }
        nodes().forEach(NodeProcess::end);
        paused.forEach(NodeProcess::end);
        gates.forEach(GatedLink::close);
        clients.values().forEach(CoordinatorClient::close);
        checkpoints.values().forEach(TestCheckpoint::close);
        Leftovers.remove(directory, logs);
    }
}
