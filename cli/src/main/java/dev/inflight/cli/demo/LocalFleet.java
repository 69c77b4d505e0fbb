package dev.inflight.cli.demo;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.cli.client.CoordinatorClient;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * A complete fleet as separate processes on this machine: one coordinator, N worker hosts, N engines. The processes
 * belong to a {@link LocalRun} and end with it.
 */
public final class LocalFleet implements AutoCloseable {
    private static final Duration START_LIMIT = Duration.ofMinutes(2);
    private static final long POLL_MILLIS = 50;
    private static final String NODE_MAIN = "dev.inflight.cli.Inflight";
    private static final String ADDRESS = "127.0.0.1";

    private static final List<String> COORDINATOR_FLAGS =
            List.of("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1");
    private static final List<String> WORKER_FLAGS = List.of("-Xmx512m", "-XX:+UseSerialGC");

    private final LocalRun run;
    private final CoordinatorClient client;
    private final List<URI> engines;

    private LocalFleet(LocalRun run, CoordinatorClient client, List<URI> engines) {
        this.run = run;
        this.client = client;
        this.engines = List.copyOf(engines);
    }

    /**
     * Starts everything and returns when every engine is attached to its worker and the coordinator knows it.
     *
     * @throws FleetException naming the process that did not come up
     */
    public static LocalFleet start(LocalRun run, Installation installation, FleetOptions options)
            throws InterruptedException {
        EngineLauncher launcher = EngineLauncher.prepare(run, installation, options);
        int port = freePort();
        ChildProcess coordinator =
                startNode(run, installation, "coordinator", 0, port, COORDINATOR_FLAGS, List.of("--http-port", "0"));
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
        try {
            List<Future<URI>> starting = new ArrayList<>();
            for (int i = 0; i < options.workers(); i++) {
                int index = i;
                starting.add(threads.submit(() -> startPair(run, installation, launcher, index, port)));
            }
            URI http = URI.create(text(coordinator, "/http"));
            List<URI> engines = new ArrayList<>();
            for (Future<URI> engine : starting) {
                engines.add(result(engine));
            }
            LocalFleet fleet = new LocalFleet(run, new CoordinatorClient(http), engines);
            fleet.awaitAttached();
            return fleet;
        } finally {
            // After a failure nobody waits for the announcements of the others.
            threads.shutdownNow();
        }
    }

    public CoordinatorClient client() {
        return client;
    }

    /** Where the engines answer requests. */
    public List<URI> engines() {
        return engines;
    }

    /** @throws FleetException naming a process of the fleet that has ended */
    public void requireAllAlive() {
        run.requireAllAlive();
    }

    /** Closes the client; the processes end with the run. */
    @Override
    public void close() {
        client.close();
    }

    /** A worker host, then its engine, which needs the worker's socket. Returns where the engine answers. */
    private static URI startPair(
            LocalRun run, Installation installation, EngineLauncher launcher, int index, int coordinatorPort)
            throws InterruptedException {
        ChildProcess worker =
                startNode(run, installation, "worker", index, coordinatorPort, WORKER_FLAGS, List.of("--workers", "1"));
        ChildProcess engine = launcher.start(index, text(worker, "/links/0/socket"));
        return URI.create(text(engine, "/http"));
    }

    private static String text(ChildProcess process, String field) throws InterruptedException {
        String text = process.awaitAnnouncement(START_LIMIT).at(field).asText("");
        if (text.isEmpty()) {
            throw new FleetException(process.name() + " announced itself without " + field);
        }
        return text;
    }

    private static ChildProcess startNode(
            LocalRun run,
            Installation installation,
            String role,
            int index,
            int coordinatorPort,
            List<String> flags,
            List<String> more) {
        String name = role.equals("coordinator") ? role : role + "-" + index;
        Path announcement = run.directory().path().resolve(name + ".json");
        List<String> command = new ArrayList<>(installation.jvm(role, index == 0, flags, NODE_MAIN));
        command.addAll(List.of("node", "--role", role));
        // The run's id in the host's name is also in the names of its shared-memory files.
        command.addAll(List.of("--name", run.directory().id() + "-" + name));
        command.addAll(List.of("--host", ADDRESS));
        command.addAll(List.of("--port", role.equals("coordinator") ? String.valueOf(coordinatorPort) : "0"));
        command.addAll(List.of("--seed", "akka://inflight@" + ADDRESS + ":" + coordinatorPort));
        command.addAll(List.of("--run-dir", run.directory().path().toString()));
        command.addAll(List.of("--profile", "local"));
        command.addAll(List.of("--announce", announcement.toString()));
        command.addAll(List.of(
                "--exit-with-parent", String.valueOf(ProcessHandle.current().pid())));
        command.addAll(more);
        return run.start(name, command, Map.of(), announcement);
    }

    private void awaitAttached() throws InterruptedException {
        long deadline = System.nanoTime() + START_LIMIT.toNanos();
        int attached = 0;
        while (attached < engines.size()) {
            run.requireAllAlive();
            if (System.nanoTime() > deadline) {
                throw new FleetException("after " + START_LIMIT.toSeconds() + " s the coordinator knows " + attached
                        + " of " + engines.size() + " engines");
            }
            Thread.sleep(POLL_MILLIS);
            attached = 0;
            for (JsonNode worker : client.status().path("workers")) {
                attached += worker.path("engine").isObject() ? 1 : 0;
            }
        }
    }

    private static URI result(Future<URI> engine) throws InterruptedException {
        try {
            return engine.get();
        } catch (ExecutionException e) {
            throw e.getCause() instanceof FleetException failure
                    ? failure
                    : new FleetException("cannot start an engine: " + e.getCause(), e);
        }
    }

    /**
     * A port for Akka, chosen before the processes start so that they can start together: each must know the seed's
     * address. Linux gives ephemeral ports at random, so another process taking it in between is very unlikely.
     */
    private static int freePort() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.ofLiteral(ADDRESS))) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new UncheckedIOException("no free port on " + ADDRESS, e);
        }
    }
}
