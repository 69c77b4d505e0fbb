package dev.inflight.cli.demo;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.cli.client.CoordinatorClient;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * A complete fleet as separate processes on this machine: one coordinator, N engines, and a worker host for each of them
 * or, on GPUs, as many as wanted. The processes belong to a {@link LocalRun} and end with it.
 */
public final class LocalFleet implements AutoCloseable {
    private static final long POLL_MILLIS = 50;
    private static final String ADDRESS = "127.0.0.1";

    private final LocalRun run;
    private final CoordinatorClient client;
    private final List<URI> engines;
    private final List<Long> workerPids;

    private LocalFleet(LocalRun run, CoordinatorClient client, List<URI> engines, List<Long> workerPids) {
        this.run = run;
        this.client = client;
        this.engines = List.copyOf(engines);
        this.workerPids = List.copyOf(workerPids);
    }

    /**
     * Starts everything and returns when every engine is attached to its worker and the coordinator knows it.
     *
     * @throws FleetException naming the process that did not come up
     */
    public static LocalFleet start(LocalRun run, Installation installation, FleetOptions options)
            throws InterruptedException {
        return start(run, installation, options, System.getenv());
    }

    /** @param environment of this process */
    static LocalFleet start(
            LocalRun run, Installation installation, FleetOptions options, Map<String, String> environment)
            throws InterruptedException {
        ClassArchives archives = new ClassArchives(run, installation);
        EngineLauncher engineLauncher = EngineLauncher.prepare(run, installation, archives, options, environment);
        NodeLauncher nodes = new NodeLauncher(run, installation, archives, ADDRESS, freePort(), options);
        Duration limit = options.device().startLimit();
        ChildProcess coordinator = nodes.startCoordinator();
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
        try {
            List<ChildProcess> workers = new ArrayList<>();
            List<Future<URI>> starting = new ArrayList<>();
            int perHost = options.device().workersPerHost(options.workers());
            for (int i = 0; i < options.workers(); i++) {
                if (i % perHost == 0) {
                    workers.add(nodes.startWorker(i / perHost, i, perHost));
                }
                int index = i;
                ChildProcess worker = workers.getLast();
                starting.add(threads.submit(
                        () -> startEngine(engineLauncher, index, worker, "/links/" + index % perHost, limit)));
            }
            URI http = URI.create(text(coordinator, "/http", limit));
            List<URI> engines = new ArrayList<>();
            for (Future<URI> engine : starting) {
                engines.add(result(engine));
            }
            List<Long> pids = workers.stream().map(ChildProcess::pid).toList();
            LocalFleet fleet = new LocalFleet(run, new CoordinatorClient(http), engines, pids);
            fleet.awaitAttached(limit);
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

    /** Process ids of the worker hosts. */
    public List<Long> workerPids() {
        return workerPids;
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

    /** An engine, which needs its worker's socket. Returns where it answers. */
    private static URI startEngine(EngineLauncher engines, int index, ChildProcess worker, String link, Duration limit)
            throws InterruptedException {
        ChildProcess engine = engines.start(index, text(worker, link + "/socket", limit));
        return URI.create(text(engine, "/http", limit));
    }

    private static String text(ChildProcess process, String field, Duration limit) throws InterruptedException {
        String text = process.awaitAnnouncement(limit).at(field).asText("");
        if (text.isEmpty()) {
            throw new FleetException(process.name() + " announced itself without " + field);
        }
        return text;
    }

    private void awaitAttached(Duration limit) throws InterruptedException {
        long deadline = System.nanoTime() + limit.toNanos();
        int attached = 0;
        while (attached < engines.size()) {
            run.requireAllAlive();
            if (System.nanoTime() > deadline) {
                throw new FleetException("after " + limit.toSeconds() + " s the coordinator knows " + attached + " of "
                        + engines.size() + " engines");
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
