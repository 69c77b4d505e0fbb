package dev.inflight.cli.demo;

import java.net.URI;
import java.util.ArrayList;
import java.util.List;

/** One worker host of a local fleet and its engines, each a process. */
public final class FleetHost {
    private final String name;
    private final ChildProcess process;
    private final int firstEngine;
    private final int workers;
    private List<Engine> engines = List.of();

    FleetHost(String name, ChildProcess process, int firstEngine, int workers) {
        this.name = name;
        this.process = process;
        this.firstEngine = firstEngine;
        this.workers = workers;
    }

    /**
     * An engine that is up.
     *
     * @param id as the coordinator knows it
     * @param http where it answers requests
     * @param upNanos {@link System#nanoTime} when it had announced itself
     */
    public record Engine(String id, URI http, long upNanos) {}

    /** As the coordinator knows it. */
    public String name() {
        return name;
    }

    /** Those that were started; none before. */
    public List<Engine> engines() {
        return engines;
    }

    ChildProcess process() {
        return process;
    }

    /** Number in the fleet of its first engine. */
    int firstEngine() {
        return firstEngine;
    }

    int workers() {
        return workers;
    }

    void started(List<Engine> all) {
        engines = List.copyOf(all);
    }

    void restarted(int worker, Engine engine) {
        List<Engine> all = new ArrayList<>(engines);
        all.set(worker, engine);
        engines = List.copyOf(all);
    }
}
