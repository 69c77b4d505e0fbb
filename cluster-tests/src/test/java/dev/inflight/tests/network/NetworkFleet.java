package dev.inflight.tests.network;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.inflight.cli.client.CoordinatorClient;
import dev.inflight.cli.client.HistoryQuery;
import dev.inflight.cli.client.Operation;
import dev.inflight.cli.client.UpdateRequest;
import dev.inflight.cli.load.LoadGenerator;
import dev.inflight.cli.load.LoadSettings;
import dev.inflight.protocol.link.TensorParallel;
import dev.inflight.tests.Eventually;
import dev.inflight.tests.fleet.EngineProcess;
import dev.inflight.tests.fleet.GatedLink;
import dev.inflight.tests.fleet.TestCheckpoint;
import dev.inflight.tests.multijvm.ClassArchive;
import dev.inflight.tests.multijvm.MultiJvm;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.LongFunction;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A coordinator at the bridge, and worker hosts of one engine each in namespaces. Only the first host sees the
 * checkpoints' files. Engines run beside the test, since they speak to their worker over a Unix socket. Used by one
 * thread.
 */
final class NetworkFleet implements AutoCloseable {
    static final List<String> VERSIONS = List.of("v1", "v2");

    private static final String MODEL = "toy";
    private static final int PORT = 25520;
    private static final Duration START_LIMIT = Duration.ofSeconds(90);
    private static final int GRACE_SECONDS = 20;

    private final Namespaces network;
    private final Path directory;
    private final Path logs;
    private final Map<String, String> settings;
    private final Map<String, TestCheckpoint> checkpoints = new HashMap<>();
    private final List<Host> hosts = new ArrayList<>();
    private final Process coordinatorProcess;
    private final CoordinatorClient coordinator;

    /** A worker host and its engine. */
    final class Host {
        private final int number;
        private final boolean seesSource;
        private final String name;
        private final GatedLink gate;
        private Process process;
        private @Nullable EngineProcess engine;

        private Host(int number, boolean seesSource) throws IOException {
            this.number = number;
            this.seesSource = seesSource;
            this.name = directory.getFileName() + "-" + number;
            this.gate =
                    GatedLink.open(directory.resolve("gate-" + number + ".sock"), directory.resolve(name + "-0.sock"));
            this.process = start();
        }

        /** Starts its process, as its supervisor does again whenever that has ended. */
        private Process start() throws IOException {
            List<String> command = node("worker", name, network.address(number));
            return launch(name, seesSource ? network.on(number, command) : network.on(number, files(), command));
        }

        String name() {
            return name;
        }

        /** What it has sent over its link. */
        long sentBytes() throws IOException {
            return network.sentBytes(number);
        }

        /** Whether it receives a cast. */
        boolean isCastTo() throws IOException {
            try (Stream<Path> images = Files.find(
                    Path.of("/dev/shm"),
                    4,
                    (file, any) -> file.getParent().endsWith("driver/images")
                            && file.toString().contains(name + "-"))) {
                return images.findAny().isPresent();
            }
        }

        /** What its process has logged. */
        String log() throws IOException {
            return Files.readString(directory.resolve(name + ".log"));
        }

        /** What the coordinator says about its engine; missing if it knows none. */
        JsonNode status() throws InterruptedException {
            for (JsonNode worker : coordinator.status().path("workers")) {
                if (worker.path("host").asText().equals(name)) {
                    return worker.path("engine");
                }
            }
            return new ObjectMapper().missingNode();
        }

        boolean serves(String version) throws InterruptedException {
            JsonNode status = status();
            return status.path("state").asText().equals("SERVING")
                    && status.path("version").asText().equals(version);
        }

        /** Starts its process again if that has ended: a host that the others took for dead ends itself. */
        void supervise() throws IOException {
            if (!process.isAlive()) {
                process = start();
            }
        }

        /** Ends its process with SIGKILL. */
        void kill() throws InterruptedException {
            process.destroyForcibly().waitFor();
        }

        /**
         * Starts its process anew, which knows nothing, when the others have given up the one before, and returns when it
         * has told of its store.
         */
        void restart() throws IOException {
            Eventually.until(name + " is forgotten", START_LIMIT, () -> !isListed("up", "leaving", "down"));
            process = start();
            awaitUp();
            Eventually.until(
                    name + " has reported",
                    START_LIMIT,
                    () -> isListed("up")
                            && coordinator
                                    .status()
                                    .path("hosts")
                                    .valueStream()
                                    .anyMatch(host -> host.path("host").asText().equals(name)));
        }

        /** Whether it is a member of one of these kinds. */
        private boolean isListed(String... kinds) throws InterruptedException {
            String address = "@" + network.address(number) + ":" + PORT;
            return coordinator
                    .status()
                    .at("/cluster/members")
                    .valueStream()
                    .filter(member -> member.path("address").asText().endsWith(address))
                    .anyMatch(member ->
                            List.of(kinds).contains(member.path("status").asText()));
        }

        /** Between its worker and its engine. */
        GatedLink gate() {
            return gate;
        }

        EngineProcess engine() {
            if (engine == null) {
                throw new IllegalStateException(name + " has no engine");
            }
            return engine;
        }

        void cut() throws IOException, InterruptedException {
            network.cut(number);
        }

        void mend() throws IOException, InterruptedException {
            network.mend(number);
        }

        /** Asserts that its engine answers as the weights do. */
        void requireServing(String version) throws Exception {
            engine().requireServing(version, checkpoints.get(version).answers());
        }

        /** Ends its engine and returns when the coordinator knows. */
        void killEngine() {
            if (engine != null) {
                engine.kill();
            }
            Eventually.until(name + " has no engine", START_LIMIT, () -> !status().isObject());
        }

        /** Waits for the end of its process, which nobody brings about: it finds out itself that the others removed it. */
        void awaitEnd() {
            Eventually.until(name + " has ended", START_LIMIT, () -> !process.isAlive());
        }

        void awaitUp() {
            Eventually.until(name + " is up", START_LIMIT, () -> {
                if (!process.isAlive()) {
                    throw new IllegalStateException(name + " ended with " + process.exitValue());
                }
                return Files.exists(announcement(name));
            });
        }

        void startEngine() throws IOException {
            engine = EngineProcess.start(directory, "engine-" + number, MODEL, gate.socket(), TensorParallel.NONE);
        }
    }

    private NetworkFleet(
            Namespaces network, Path directory, Path logs, long bytes, int tensors, Map<String, String> settings)
            throws IOException {
        this.settings = settings;
        this.network = network;
        this.directory = directory;
        this.logs = logs;
        for (String version : VERSIONS) {
            Path file = Files.createDirectories(source(version)).resolve("model.safetensors");
            checkpoints.put(version, TestCheckpoint.write(file, version.hashCode(), tensors, bytes));
        }
        String name = directory.getFileName() + "-coordinator";
        this.coordinatorProcess = launch(name, node("coordinator", name, network.address()));
        Eventually.until("the coordinator is up", START_LIMIT, () -> Files.exists(announcement(name)));
        this.coordinator = new CoordinatorClient(URI.create(new ObjectMapper()
                .readTree(announcement(name).toFile())
                .path("http")
                .asText()));
    }

    /**
     * Starts a fleet whose engines are attached and have no weights.
     *
     * @param count worker hosts
     * @param bytes of each checkpoint
     */
    static NetworkFleet start(Namespaces network, int count, long bytes, int tensors) throws Exception {
        return start(network, count, bytes, tensors, Map.of());
    }

    /** The same with settings of all nodes, over those that they have anyway. */
    static NetworkFleet start(Namespaces network, int count, long bytes, int tensors, Map<String, String> settings)
            throws Exception {
        // Under /tmp itself: engines' sockets lie in it, and their paths may have 107 bytes.
        Path directory = Files.createTempDirectory(Path.of("/tmp"), "inflight-test-");
        Path logs = Files.createDirectories(
                Path.of("target", "network", directory.getFileName().toString()));
        NetworkFleet fleet = new NetworkFleet(network, directory, logs, bytes, tensors, settings);
        try {
            fleet.add(count);
            return fleet;
        } catch (Exception | AssertionError e) {
            fleet.close();
            throw e;
        }
    }

    /** Starts further hosts and, when all are up, their engines, and returns when these are attached. */
    List<Host> add(int count) throws Exception {
        List<Host> added = addWithoutEngines(count);
        for (Host host : added) {
            host.startEngine();
        }
        for (Host host : added) {
            Eventually.until(
                    host.name() + " has its engine",
                    START_LIMIT,
                    () -> host.status().isObject());
        }
        return added;
    }

    /** Starts further hosts and returns when all are up. */
    List<Host> addWithoutEngines(int count) throws Exception {
        List<Host> added = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Host host = new Host(network.add(), hosts.isEmpty());
            hosts.add(host);
            added.add(host);
        }
        added.forEach(Host::awaitUp);
        return added;
    }

    List<Host> hosts() {
        return List.copyOf(hosts);
    }

    /** Puts engines without weights in the place of these hosts' engines, all at the same time. */
    void replaceEngines(List<Host> of) throws Exception {
        of.forEach(Host::killEngine);
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<?>> starting = new ArrayList<>();
            for (Host host : of) {
                starting.add(threads.submit(() -> {
                    host.startEngine();
                    return null;
                }));
            }
            for (Future<?> started : starting) {
                started.get();
            }
        }
    }

    /** Publishes a checkpoint on the one host that sees it. */
    void publish(String version) throws InterruptedException {
        Operation published =
                coordinator.publish(MODEL, version, source(version).toString(), any -> {});
        assertThat(published.succeeded()).as("%s", published).isTrue();
    }

    /** Updates one host's engine and nobody else's. */
    void update(Host host, String version) throws InterruptedException {
        Operation updated =
                coordinator.update(new UpdateRequest(MODEL, version, "in-place", "broadcast", host.name()), any -> {});
        assertThat(updated.succeeded()).as("%s", updated).isTrue();
    }

    /** Keeps asking the engines of these hosts until it is stopped. */
    LoadGenerator ask(List<Host> of) {
        Map<URI, Map<String, LongFunction<String>>> answers = new HashMap<>();
        Map<String, LongFunction<String>> right = new HashMap<>();
        checkpoints.forEach((version, checkpoint) -> right.put(version, checkpoint.answers()));
        of.forEach(host -> answers.put(host.engine().http(), right));
        return LoadGenerator.start(answers, LoadSettings.steady(7));
    }

    /** Ids of the joins that run. */
    Set<String> joins() throws InterruptedException {
        Set<String> joins = new HashSet<>();
        for (JsonNode worker : coordinator.status().path("workers")) {
            String id = worker.at("/engine/join/operation").asText("");
            if (!id.isEmpty()) {
                joins.add(id);
            }
        }
        return joins;
    }

    /** Result of the last join of the host's engine that ended well. */
    JsonNode joined(Host host) throws InterruptedException {
        for (JsonNode past :
                coordinator.history(new HistoryQuery(MODEL, null, 100)).path("operations")) {
            if (past.path("kind").asText().equals("join")
                    && past.at("/engines/0/worker").asText().startsWith(host.name() + "/")) {
                return operation(past.path("operation").asText()).result();
            }
        }
        throw new AssertionError(host.name() + " has not joined");
    }

    Operation operation(String id) throws InterruptedException {
        return coordinator.operation(id);
    }

    /** Compares every engine's tensors with the manifest. */
    void verify() throws InterruptedException {
        Operation verified = coordinator.verify(MODEL, any -> {});
        assertThat(verified.succeeded()).as("%s", verified).isTrue();
    }

    @Override
    public void close() throws Exception {
        List<Process> processes =
                new ArrayList<>(hosts.stream().map(host -> host.process).toList());
        processes.add(coordinatorProcess);
        hosts.stream().filter(host -> host.engine != null).forEach(host -> host.engine.kill());
        hosts.forEach(host -> host.gate.close());
        coordinator.close();
        // Not in order: a fleet that ends as a whole has nobody to hand anything over to.
        processes.forEach(Process::destroyForcibly);
        for (Process process : processes) {
            process.waitFor(GRACE_SECONDS, TimeUnit.SECONDS);
        }
        checkpoints.values().forEach(TestCheckpoint::close);
        try (Stream<Path> files = Files.list(directory)) {
            for (Path log :
                    files.filter(file -> file.toString().endsWith(".log")).toList()) {
                Files.copy(log, logs.resolve(log.getFileName()));
            }
        }
        removeTree(directory);
        try (Stream<Path> files = Files.list(Path.of("/dev/shm"))) {
            String run = directory.getFileName().toString();
            for (Path file : files.filter(file -> file.getFileName().toString().contains(run))
                    .toList()) {
                removeTree(file);
            }
        }
    }

    private Path source(String version) {
        return files().resolve(version);
    }

    /** What only the first host sees. */
    private Path files() {
        return directory.resolve("files");
    }

    private Path announcement(String name) {
        return directory.resolve(name + ".json");
    }

    private List<String> node(String role, String name, String address) throws IOException {
        Files.deleteIfExists(announcement(name));
        List<String> command = new ArrayList<>(MultiJvm.jvm(ClassArchive.existing(role), "-Xmx256m"));
        command.add("-Dinflight.home=" + Path.of("..").toAbsolutePath().normalize());
        command.add("-Dinflight.worker.peer.map-shared-memory=off");
        command.add("-Dinflight.worker.slot-memory=24MiB");
        settings.forEach((path, value) -> command.add("-D" + path + "=" + value));
        // Its class path holds the multi-node testkit too.
        command.add("-Dakka.fail-mixed-versions=off");
        command.addAll(List.of("-cp", ClassArchive.classPath(), "dev.inflight.cli.Inflight", "node"));
        command.addAll(List.of("--role", role, "--name", name, "--host", address));
        command.addAll(List.of("--seed", "akka://inflight@" + network.address() + ":" + PORT));
        command.addAll(List.of("--port", String.valueOf(PORT), "--run-dir", directory.toString()));
        command.addAll(List.of("--announce", announcement(name).toString()));
        command.addAll(List.of(
                "--exit-with-parent", String.valueOf(ProcessHandle.current().pid())));
        if (role.equals("coordinator")) {
            command.addAll(List.of("--http-port", "0"));
            command.addAll(List.of("--data-dir", directory.resolve("ledger").toString()));
        }
        return command;
    }

    private Process launch(String name, List<String> command) throws IOException {
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(
                        directory.resolve(name + ".log").toFile()))
                .start();
    }

    private static void removeTree(Path root) throws IOException {
        try (Stream<Path> tree = Files.walk(root)) {
            for (Path path : tree.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        }
    }
}
