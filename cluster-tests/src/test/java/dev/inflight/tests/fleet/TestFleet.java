package dev.inflight.tests.fleet;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.Address;
import akka.actor.typed.ActorSystem;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.inflight.cli.client.CoordinatorClient;
import dev.inflight.cli.load.LoadGenerator;
import dev.inflight.cli.load.LoadSettings;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.link.TensorParallel;
import dev.inflight.tests.Eventually;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntFunction;
import java.util.function.LongFunction;
import java.util.stream.StreamSupport;

/** The fleet as the trainer's node sees it: two published checkpoints, engines behind gates, processes to kill. */
public final class TestFleet implements AutoCloseable {
    public static final String MODEL = "toy";

    /** Within this time of a death an update must have ended. */
    public static final Duration ABORT_LIMIT = Duration.ofSeconds(15);

    private static final Duration START_LIMIT = Duration.ofSeconds(60);

    private final Path directory;
    private final List<String> workers;
    private final IntFunction<TensorParallel> shares;
    private final TrainerClient trainer;
    private CoordinatorClient coordinator;
    private boolean coordinatorLives = true;
    private final List<GatedLink> gates = new ArrayList<>();
    private final List<EngineProcess> engines = new ArrayList<>();
    private final List<EngineProcess> further = new ArrayList<>();
    private final List<Process> returned = new ArrayList<>();
    private final TrafficReader traffic;
    private final Map<String, TestCheckpoint> checkpoints;

    private TestFleet(
            Path directory,
            List<String> workers,
            IntFunction<TensorParallel> shares,
            TrainerClient trainer,
            CoordinatorClient coordinator,
            TrafficReader traffic,
            Map<String, TestCheckpoint> checkpoints) {
        this.directory = directory;
        this.workers = new ArrayList<>(workers);
        this.shares = shares;
        this.trainer = trainer;
        this.coordinator = coordinator;
        this.traffic = traffic;
        this.checkpoints = new HashMap<>(checkpoints);
    }

    /** @param shares what each engine holds, by its worker's index */
    static TestFleet start(
            Path directory,
            ActorSystem<?> system,
            Address coordinator,
            List<String> workers,
            IntFunction<TensorParallel> shares)
            throws Exception {
        TestFleet fleet = new TestFleet(
                directory,
                workers,
                shares,
                new TrainerClient(system),
                new CoordinatorClient(
                        URI.create(NodeFile.read(directory, "coordinator").http())),
                new TrafficReader(system, coordinator),
                Map.of(
                        "v1", TestCheckpoint.write(directory.resolve("v1.safetensors"), 1),
                        "v2", TestCheckpoint.write(directory.resolve("v2.safetensors"), 2)));
        for (int index = 0; index < workers.size(); index++) {
            Path socket = directory.resolve(workers.get(index) + "-0.sock");
            fleet.gates.add(GatedLink.open(directory.resolve("gate-" + index + ".sock"), socket));
            fleet.engines.add(fleet.engineProcess(index));
        }
        fleet.awaitAttached(workers.size());
        return fleet;
    }

    public TrainerClient trainer() {
        return trainer;
    }

    /** The engine of the worker with this index. */
    public EngineProcess engine(int index) {
        return engines.get(index);
    }

    public List<EngineProcess> engines() {
        return List.copyOf(engines);
    }

    public GatedLink gate(int index) {
        return gates.get(index);
    }

    public TestCheckpoint checkpoint(String version) {
        return checkpoints.get(version);
    }

    /** Where the coordinator's HTTP API is. */
    public String http() throws IOException {
        return NodeFile.read(directory, "coordinator").http();
    }

    /** What {@code GET /v1/status} says. */
    public JsonNode status() throws InterruptedException {
        return coordinator.status();
    }

    /** Writes a checkpoint of this many random tensors and publishes it. */
    public void publish(String version, int tensors, long bytes) throws IOException {
        Path file = directory.resolve(version + ".safetensors");
        checkpoints.put(version, TestCheckpoint.write(file, version.hashCode(), tensors, bytes));
        publish(version);
    }

    /** Writes another checkpoint like v1 and v2 and publishes it. */
    public void publish(String version, long seed) throws IOException {
        checkpoints.put(version, TestCheckpoint.write(directory.resolve(version + ".safetensors"), seed));
        publish(version);
    }

    /** What passed the coordinator's remoting since the last call, if the spec's settings have it counted. */
    public Map<String, WireTraffic.Traffic> traffic() {
        return traffic.read();
    }

    public void publish(String version) {
        requireSucceeded(trainer.publish(MODEL, version, checkpoint(version).file()));
    }

    public JsonNode update(String version, LoadMode mode) throws IOException {
        Operation operation = requireSucceeded(trainer.update(MODEL, version, mode));
        JsonNode result = result(operation);
        assertThat(result.path("outcome").asText()).isEqualTo("committed");
        return result;
    }

    /**
     * Begins an update that stays streaming: the engine has copied bytes, its worker is never told.
     *
     * @param index whose engine is held up
     * @return the operation's id
     */
    public String beginHeldUpdate(String version, LoadMode mode, int index) {
        gates.get(index).shut();
        String id = trainer.beginUpdate(MODEL, version, mode);
        Eventually.until(
                "engine " + index + " has loaded a bucket",
                START_LIMIT,
                () -> gates.get(index).holds());
        assertThat(trainer.state(id).phase()).isEqualTo("streaming");
        return id;
    }

    /**
     * Begins a rollback in which an engine has everything and its worker is never told.
     *
     * @param index whose engine is held up
     * @return the operation's id
     */
    public String beginHeldRollback(LoadMode mode, int index) {
        gates.get(index).shut();
        String id = trainer.beginRollback(MODEL, mode);
        Eventually.until(
                "engine " + index + " has everything",
                START_LIMIT,
                () -> gates.get(index).holds());
        return id;
    }

    /** Waits for the end of an operation that must succeed. */
    public JsonNode succeeded(String id) throws IOException {
        return result(requireSucceeded(trainer.ended(id)));
    }

    /** Something deadly. */
    @FunctionalInterface
    public interface Deed {
        void commit() throws Exception;
    }

    /**
     * Does something deadly to a streaming update and waits for its end, which must be an abort in time.
     *
     * @return the update's result
     */
    public JsonNode abortedBy(Deed deed, String id) throws Exception {
        return abortedBy(deed, id, ABORT_LIMIT);
    }

    /** The same within another limit. */
    public JsonNode abortedBy(Deed deed, String id, Duration limit) throws Exception {
        return endedBy(deed, id, limit, OperationReply.State.FAILED, "aborted");
    }

    /**
     * Does something deadly to a streaming update, which must commit all the same, and in time.
     *
     * @return the update's result
     */
    public JsonNode outlives(Deed deed, String id) throws Exception {
        return endedBy(deed, id, ABORT_LIMIT, OperationReply.State.SUCCEEDED, "committed");
    }

    private JsonNode endedBy(Deed deed, String id, Duration limit, OperationReply.State state, String outcome)
            throws Exception {
        long begin = System.nanoTime();
        deed.commit();
        Operation operation = trainer.ended(id);
        Duration took = Duration.ofNanos(System.nanoTime() - begin);
        System.out.println(outcome + " " + took.toMillis() + " ms after the deed: " + operation);
        assertThat(operation.state()).as("%s", operation).isEqualTo(state);
        assertThat(result(operation).path("outcome").asText()).isEqualTo(outcome);
        assertThat(took).as("time from the deed to the end").isLessThan(limit);
        return result(operation);
    }

    /** Id of the worker with this index. */
    public String worker(int index) {
        return workers.get(index) + "/0";
    }

    /** Ends the worker's JVM with SIGKILL. */
    public void killWorker(int index) throws IOException {
        kill(workers.get(index));
    }

    /** Ends the coordinator's JVM with SIGKILL; from now on this asks the first standby's HTTP API. */
    public void killCoordinator() throws IOException {
        kill("coordinator");
        coordinatorLives = false;
        coordinator.close();
        coordinator = new CoordinatorClient(
                URI.create(NodeFile.read(directory, "standby-0").http()));
    }

    /** What the coordinator that the fleet began with says, also when another one decides. */
    public CoordinatorClient firstCoordinator() throws IOException {
        return new CoordinatorClient(URI.create(http()));
    }

    /**
     * Starts the killed coordinator again as one that stands by, with its ledger, and waits until its ledger equals those
     * of the standbys.
     *
     * @return the ledger, a line for each entry
     */
    public List<String> restartCoordinator(int standbys) throws IOException {
        Path ledger = NodeFile.ledger(
                directory, NodeFile.read(directory, "coordinator").pid());
        NodeProcess node = new NodeProcess(
                directory, "coordinator", "returned-coordinator", List.of("inflight.coordinator.data-dir=" + ledger));
        node.start(List.of(NodeFile.read(directory, "standby-0").akka()));
        returned.add(node.process());
        node.awaitUp();
        List<Path> all = new ArrayList<>(List.of(ledger));
        for (int index = 0; index < standbys; index++) {
            all.add(NodeFile.ledger(
                    directory, NodeFile.read(directory, "standby-" + index).pid()));
        }
        Eventually.until("all ledgers are equal: " + all, START_LIMIT, () -> {
            Set<List<String>> different = new HashSet<>();
            for (Path one : all) {
                different.add(Files.readAllLines(one.resolve("ledger.jsonl")));
            }
            return different.size() == 1;
        });
        return Files.readAllLines(ledger.resolve("ledger.jsonl"));
    }

    private void kill(String node) throws IOException {
        ProcessHandle process =
                ProcessHandle.of(NodeFile.read(directory, node).pid()).orElseThrow();
        process.destroyForcibly();
        process.onExit().join();
    }

    /**
     * Starts a killed worker host again at the address it had, as its supervisor would, and waits until its engine is
     * back.
     *
     * @param attached how many engines are attached then
     */
    public void restartWorker(int index, int attached) throws IOException {
        String seed = NodeFile.read(directory, seed()).akka();
        String worker = workers.get(index);
        int port = NodeFile.read(directory, worker).port();
        returned.add(WorkerProcess.start(directory, worker, seed, port));
        awaitAttached(attached);
    }

    private String seed() {
        return coordinatorLives ? "coordinator" : "standby-0";
    }

    /**
     * Starts one more worker host with an engine, and waits until the engine is attached.
     *
     * @return the index of both
     */
    public int addWorker() throws IOException {
        int index = engines.size();
        String name = workers.getFirst() + "-new-" + index;
        String seed = NodeFile.read(directory, "coordinator").akka();
        workers.add(name);
        returned.add(WorkerProcess.start(directory, name, seed, 0));
        gates.add(GatedLink.open(directory.resolve("gate-" + index + ".sock"), directory.resolve(name + "-0.sock")));
        engines.add(engineProcess(index));
        awaitAttached(engines.size());
        return index;
    }

    /** Tells the last worker host that was added to stop, as a supervisor would, and waits for its end. */
    public void stopAddedWorker() {
        Process worker = returned.removeLast();
        worker.destroy();
        Eventually.until("the worker host has stopped", START_LIMIT, () -> !worker.isAlive());
    }

    /** Ends the engines of these workers and starts new ones, which have no weights, in their place. */
    public void replaceEngines(int... indexes) throws IOException {
        for (int index : indexes) {
            engines.get(index).kill();
        }
        awaitAttached(engines.size() - indexes.length);
        for (int index : indexes) {
            engines.set(index, engineProcess(index));
        }
        awaitAttached(engines.size());
    }

    /** Waits until these engines serve the version and asserts that they serve exactly its bytes. */
    public void awaitServing(String version, int... indexes) throws Exception {
        for (int index : indexes) {
            EngineProcess engine = engines.get(index);
            Eventually.until(
                    engine.id() + " serves " + version,
                    START_LIMIT,
                    () -> engine.health().path("version").asText().equals(version)
                            && engine.health().path("state").asText().equals("SERVING"));
            requireServing(version, engine);
        }
    }

    /** Ends an engine and starts a new one, whose join stays streaming: it has copied bytes, its worker is not told. */
    public void holdReplacedEngine(int index) throws IOException {
        engines.get(index).kill();
        awaitAttached(engines.size() - 1);
        gates.get(index).shut();
        engines.set(index, engineProcess(index));
        Eventually.until(
                "engine " + index + " has loaded a bucket of a join",
                START_LIMIT,
                () -> gates.get(index).holds());
    }

    /** Starts the engine of a worker again, as its supervisor would, and waits until it is attached. */
    public void restartEngine(int index, int attached) throws Exception {
        engines.set(index, engineProcess(index));
        awaitAttached(attached);
    }

    /** Ends every engine and starts a new one in its place, which has no weights and takes any checkpoint. */
    public void replaceEngines() throws IOException {
        engines.forEach(EngineProcess::kill);
        awaitAttached(0);
        for (int index = 0; index < engines.size(); index++) {
            engines.set(index, engineProcess(index));
        }
        awaitAttached(engines.size());
    }

    /** A name under the directory of this fleet's files, which go with it. */
    public Path file(String name) {
        return directory.resolve(name);
    }

    /** Socket of a worker, where there are several on a host. */
    public Path socket(int host, int worker) {
        return directory.resolve(workers.get(host) + "-" + worker + ".sock");
    }

    /**
     * Starts a worker host that is no node of the spec and waits until the coordinator knows its worker.
     *
     * @return where its engine connects
     */
    public Path startHost(String role) throws IOException {
        String name = directory.getFileName() + "-" + role;
        returned.add(WorkerProcess.start(
                directory, name, NodeFile.read(directory, "coordinator").akka(), 0));
        Eventually.until(
                name + " is there",
                START_LIMIT,
                () -> StreamSupport.stream(status().path("workers").spliterator(), false)
                        .anyMatch(worker -> worker.path("host").asText().equals(name)));
        return directory.resolve(name + "-0.sock");
    }

    /** Starts an engine of any model, which ends with the fleet. */
    public EngineProcess startEngine(String id, String model, Path link) throws IOException {
        EngineProcess engine = EngineProcess.start(directory, id, model, link, TensorParallel.NONE);
        further.add(engine);
        return engine;
    }

    /** Waits until the coordinator says that an engine serves a version. */
    public void awaitServing(String engine, String version) {
        Eventually.until(
                engine + " serves " + version,
                START_LIMIT,
                () -> StreamSupport.stream(status().path("workers").spliterator(), false)
                        .map(worker -> worker.path("engine"))
                        .anyMatch(seen -> seen.path("engine").asText().equals(engine)
                                && seen.path("state").asText().equals("SERVING")
                                && seen.path("version").asText().equals(version)));
    }

    public void requireServing(String version, EngineProcess... which) throws Exception {
        for (EngineProcess engine : which) {
            engine.requireServing(version, checkpoint(version).answers(engine.share()));
        }
    }

    /** Asserts that an engine whose update was broken off in place answers nobody, rather than with a mixture. */
    public void requireNotServing(EngineProcess engine) throws Exception {
        JsonNode health = engine.health();
        assertThat(health.path("state").asText()).as("%s", health).isNotEqualTo("SERVING");
        assertThat(health.path("version").isNull()).as("%s", health).isTrue();
    }

    /** Keeps asking these engines until it is stopped. */
    public LoadGenerator ask(EngineProcess... which) {
        Map<URI, Map<String, LongFunction<String>>> answers = new HashMap<>();
        for (EngineProcess engine : which) {
            answers.put(
                    engine.http(),
                    Map.of(
                            "v1", checkpoint("v1").answers(engine.share()),
                            "v2", checkpoint("v2").answers(engine.share())));
        }
        return LoadGenerator.start(answers, LoadSettings.steady(7));
    }

    /** Waits until the coordinator knows this many engines. */
    public void awaitAttached(int count) {
        Eventually.until(
                count + " engines are attached",
                START_LIMIT,
                () -> StreamSupport.stream(status().path("workers").spliterator(), false)
                                .filter(worker -> worker.path("engine").isObject())
                                .count()
                        == count);
    }

    @Override
    public void close() throws InterruptedException {
        for (EngineProcess engine : engines) {
            engine.end();
        }
        further.forEach(EngineProcess::kill);
        returned.forEach(Process::destroy);
        returned.forEach(worker -> worker.onExit().join());
        gates.forEach(GatedLink::close);
        coordinator.close();
        checkpoints.values().forEach(TestCheckpoint::close);
    }

    private EngineProcess engineProcess(int index) throws IOException {
        return EngineProcess.start(
                directory, "engine-" + index, MODEL, gates.get(index).socket(), shares.apply(index));
    }

    private static Operation requireSucceeded(Operation operation) {
        assertThat(operation.state()).as("%s", operation).isEqualTo(OperationReply.State.SUCCEEDED);
        return operation;
    }

    private static JsonNode result(Operation operation) throws IOException {
        return new ObjectMapper().readTree(String.valueOf(operation.resultJson()));
    }
}
