package dev.inflight.cli.demo;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.cli.client.CoordinatorClient;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;

/**
 * A complete fleet as separate processes on this machine: one coordinator, to which others can be added that stand by, N
 * engines, and a worker host for each of them or, on GPUs, as many as wanted. The processes belong to a {@link LocalRun}
 * and end with it. Used by one thread.
 */
public final class LocalFleet implements AutoCloseable {
    private static final long POLL_MILLIS = 50;
    private static final Duration FORGET_LIMIT = Duration.ofSeconds(30);
    private static final String ADDRESS = "127.0.0.1";

    private final LocalRun run;
    private final NodeLauncher nodes;
    private final EngineLauncher engineLauncher;
    private final Duration limit;
    private final ChildProcess coordinator;
    private final List<ChildProcess> standbys = new ArrayList<>();
    private final List<FleetHost> hosts = new ArrayList<>();
    private CoordinatorClient client;

    private LocalFleet(
            LocalRun run,
            NodeLauncher nodes,
            EngineLauncher engineLauncher,
            Duration limit,
            ChildProcess coordinator,
            CoordinatorClient client,
            List<FleetHost> hosts) {
        this.run = run;
        this.nodes = nodes;
        this.engineLauncher = engineLauncher;
        this.limit = limit;
        this.coordinator = coordinator;
        this.client = client;
        this.hosts.addAll(hosts);
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
        NodeLauncher nodes = new NodeLauncher(run, installation, archives, ADDRESS, FreePort.choose(), options);
        Duration limit = options.device().startLimit();
        ChildProcess coordinator = nodes.startCoordinator();
        List<FleetHost> hosts = new ArrayList<>();
        int perHost = options.device().workersPerHost(options.workers());
        for (int first = 0; first < options.workers(); first += perHost) {
            hosts.add(startHost(nodes, hosts.size(), first, perHost, Map.of()));
        }
        startEngines(engineLauncher, hosts, 0, limit);
        CoordinatorClient client = client(coordinator, limit);
        LocalFleet fleet = new LocalFleet(run, nodes, engineLauncher, limit, coordinator, client, hosts);
        fleet.awaitAttached(options.workers());
        return fleet;
    }

    /**
     * Starts further worker hosts of one worker each and, when all of them are up, an engine for each at the same time.
     * Returns when the engines are up; whether they get weights is the coordinator's affair.
     *
     * @param settings of these hosts, over those of the fleet
     * @param warmBytes memory for parameters that each reference engine touches before it is up
     * @throws FleetException naming the process that did not come up
     */
    public List<FleetHost> addHosts(int count, Map<String, String> settings, long warmBytes)
            throws InterruptedException {
        List<FleetHost> added = new ArrayList<>();
        int engines = hosts.stream().mapToInt(FleetHost::workers).sum();
        for (int i = 0; i < count; i++) {
            added.add(startHost(nodes, hosts.size() + i, engines + i, 1, settings));
        }
        hosts.addAll(added);
        for (FleetHost host : added) {
            host.process().awaitAnnouncement(limit);
        }
        startEngines(engineLauncher, added, warmBytes, limit);
        return added;
    }

    /**
     * Starts further coordinator nodes, of which the first takes over when the present one is lost. Returns when the
     * coordinator counts them as members.
     *
     * @throws FleetException naming the process that did not come up
     */
    void addStandbys(int count) throws InterruptedException {
        for (int i = 0; i < count; i++) {
            standbys.add(nodes.startStandby(standbys.size() + 1));
        }
        for (ChildProcess standby : standbys) {
            standby.awaitAnnouncement(limit);
        }
        long deadline = System.nanoTime() + limit.toNanos();
        while (upCoordinators() < 1 + standbys.size()) {
            run.requireAllAlive();
            if (System.nanoTime() > deadline) {
                throw new FleetException("after " + limit.toSeconds() + " s " + upCoordinators() + " of "
                        + (1 + standbys.size()) + " coordinator nodes are members");
            }
            Thread.sleep(POLL_MILLIS);
        }
    }

    private long upCoordinators() throws InterruptedException {
        return client.status()
                .at("/cluster/members")
                .valueStream()
                .filter(member -> member.path("status").asText().equals("up"))
                .filter(member -> member.path("roles")
                        .valueStream()
                        .anyMatch(role -> role.asText().equals("coordinator")))
                .count();
    }

    /**
     * Ends the coordinator that decides with SIGKILL. From now on {@link #client} asks the first that stood by.
     *
     * @return {@link System#nanoTime} at the signal
     */
    long killCoordinator() throws InterruptedException {
        run.dismiss(coordinator);
        CoordinatorClient next = client(standbys.getFirst(), limit);
        long at = System.nanoTime();
        coordinator.kill();
        client.close();
        client = next;
        return at;
    }

    /** Clients of the coordinator nodes that stood by, for who wants to know something of each; to be closed. */
    List<CoordinatorClient> standbyClients() throws InterruptedException {
        List<CoordinatorClient> clients = new ArrayList<>();
        for (ChildProcess standby : standbys) {
            clients.add(client(standby, limit));
        }
        return clients;
    }

    /**
     * Returns when the coordinator knows every host store and every engine that were started.
     *
     * @throws FleetException if it takes too long
     */
    void awaitAll() throws InterruptedException {
        awaitAttached(engines().size());
    }

    /** Process id of an engine. */
    long pid(FleetHost.Engine engine) {
        return run.process(engine.id()).pid();
    }

    /** Ends a worker host with SIGKILL. Its engine goes on. */
    public void kill(FleetHost host) {
        run.dismiss(host.process());
        host.process().kill();
    }

    /**
     * Ends an engine with SIGKILL and starts another process in its place. Returns when that is up; whether it gets
     * weights is the coordinator's affair.
     *
     * @param worker number of the engine's worker on its host
     * @param warmBytes of memory that a reference engine touches before it is up
     * @throws FleetException if it does not come up
     */
    FleetHost.Engine restartEngine(FleetHost host, int worker, long warmBytes) throws InterruptedException {
        ChildProcess engine = run.process(host.engines().get(worker).id());
        run.dismiss(engine);
        engine.kill();
        engine.forgetAnnouncement();
        FleetHost.Engine restarted = startEngine(engineLauncher, host, worker, warmBytes, limit);
        host.restarted(worker, restarted);
        return restarted;
    }

    /**
     * Asks a worker host to end, as an operator does, and waits until it has. Its engine goes on.
     *
     * @throws FleetException if it takes longer
     */
    public void stop(FleetHost host, Duration atMost) throws InterruptedException {
        run.dismiss(host.process());
        host.process().stop(atMost);
    }

    /**
     * Returns when the coordinator counts on a host no more that has ended.
     *
     * @throws FleetException if it takes much longer than failure detector and split-brain resolver do
     */
    public void awaitForgotten(FleetHost host) throws InterruptedException {
        long deadline = System.nanoTime() + FORGET_LIMIT.toNanos();
        while (knows(host)) {
            if (System.nanoTime() > deadline) {
                throw new FleetException("the coordinator still lists " + host.name() + ", which ended "
                        + FORGET_LIMIT.toSeconds() + " s ago");
            }
            Thread.sleep(POLL_MILLIS);
        }
    }

    private boolean knows(FleetHost host) throws InterruptedException {
        JsonNode status = client.status();
        return Stream.of("hosts", "workers")
                .flatMap(kind -> status.path(kind).valueStream())
                .anyMatch(one -> one.path("host").asText().equals(host.name()));
    }

    public CoordinatorClient client() {
        return client;
    }

    /** All that were started, also those that ended since. */
    public List<FleetHost> hosts() {
        return List.copyOf(hosts);
    }

    /** Where the engines answer requests. */
    public List<URI> engines() {
        return hosts.stream()
                .flatMap(host -> host.engines().stream())
                .map(FleetHost.Engine::http)
                .toList();
    }

    /** Process ids of the worker hosts. */
    public List<Long> workerPids() {
        return hosts.stream().map(host -> host.process().pid()).toList();
    }

    /** @throws FleetException naming a process of the fleet that has ended by itself */
    public void requireAllAlive() {
        run.requireAllAlive();
    }

    /** Closes the client; the processes end with the run. */
    @Override
    public void close() {
        client.close();
    }

    private static CoordinatorClient client(ChildProcess node, Duration limit) throws InterruptedException {
        return new CoordinatorClient(URI.create(text(node, "/http", limit)));
    }

    private static FleetHost startHost(
            NodeLauncher nodes, int index, int firstEngine, int workers, Map<String, String> settings) {
        ChildProcess process = nodes.startWorker(index, firstEngine, workers, settings);
        return new FleetHost(nodes.hostName(index), process, firstEngine, workers);
    }

    /** Starts every engine as soon as its worker's socket is there, and waits until all are up. */
    private static void startEngines(EngineLauncher launcher, List<FleetHost> hosts, long warmBytes, Duration limit)
            throws InterruptedException {
        Map<FleetHost, List<Future<FleetHost.Engine>>> starting = new LinkedHashMap<>();
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
        try {
            for (FleetHost host : hosts) {
                List<Future<FleetHost.Engine>> engines = new ArrayList<>();
                for (int i = 0; i < host.workers(); i++) {
                    int worker = i;
                    engines.add(threads.submit(() -> startEngine(launcher, host, worker, warmBytes, limit)));
                }
                starting.put(host, engines);
            }
            for (Map.Entry<FleetHost, List<Future<FleetHost.Engine>>> host : starting.entrySet()) {
                List<FleetHost.Engine> started = new ArrayList<>();
                for (Future<FleetHost.Engine> engine : host.getValue()) {
                    started.add(result(engine));
                }
                host.getKey().started(started);
            }
        } finally {
            // After a failure nobody waits for the announcements of the others.
            threads.shutdownNow();
        }
    }

    private static FleetHost.Engine startEngine(
            EngineLauncher launcher, FleetHost host, int worker, long warmBytes, Duration limit)
            throws InterruptedException {
        String link = text(host.process(), "/links/" + worker + "/socket", limit);
        ChildProcess engine = launcher.start(host.firstEngine() + worker, link, warmBytes);
        URI http = URI.create(text(engine, "/http", limit));
        return new FleetHost.Engine(engine.name(), http, System.nanoTime());
    }

    private static String text(ChildProcess process, String field, Duration limit) throws InterruptedException {
        String text = process.awaitAnnouncement(limit).at(field).asText("");
        if (text.isEmpty()) {
            throw new FleetException(process.name() + " announced itself without " + field);
        }
        return text;
    }

    /** A host store reports by itself, apart from the workers of its host. */
    private void awaitAttached(int engines) throws InterruptedException {
        long deadline = System.nanoTime() + limit.toNanos();
        long attached = 0;
        int stores = 0;
        while (attached < engines || stores < hosts.size()) {
            run.requireAllAlive();
            if (System.nanoTime() > deadline) {
                throw new FleetException("after " + limit.toSeconds() + " s the coordinator knows " + attached + " of "
                        + engines + " engines and " + stores + " of " + hosts.size() + " host stores");
            }
            Thread.sleep(POLL_MILLIS);
            JsonNode status = client.status();
            attached = status.path("workers")
                    .valueStream()
                    .filter(worker -> worker.path("engine").isObject())
                    .count();
            stores = status.path("hosts").size();
        }
    }

    private static FleetHost.Engine result(Future<FleetHost.Engine> engine) throws InterruptedException {
        try {
            return engine.get();
        } catch (ExecutionException e) {
            throw e.getCause() instanceof FleetException failure
                    ? failure
                    : new FleetException("cannot start an engine: " + e.getCause(), e);
        }
    }
}
