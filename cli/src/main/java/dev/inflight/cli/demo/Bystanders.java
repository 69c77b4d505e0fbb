package dev.inflight.cli.demo;

import dev.inflight.cli.demo.DemoReport.Requests;
import dev.inflight.cli.load.LoadGenerator;
import dev.inflight.cli.load.LoadReport;
import dev.inflight.cli.load.LoadSettings;
import java.net.URI;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * Clients of engines beside which something happens that must not touch them: asked before, meanwhile and after, every
 * answer checked. Used by one thread.
 */
final class Bystanders implements AutoCloseable {
    /** Connections and compiled code, which belong to nothing that is compared. */
    private static final Duration WARM_UP = Duration.ofSeconds(1);
    /** About 200 answers of each engine. */
    private static final Duration BEFORE = Duration.ofSeconds(2);

    private static final Duration NEWCOMERS = Duration.ofMillis(500);

    private final LoadGenerator clients;
    private final double p99MsBefore;
    private Requests requests;
    private double p99MsDuring;
    private double longestGapMs;
    private @Nullable String firstProblem;

    private Bystanders(LoadGenerator clients, LoadReport warmUp, LoadReport before) {
        this.clients = clients;
        this.p99MsBefore = before.p99Ms();
        this.requests = Requests.NONE;
        count(warmUp);
        count(before);
        this.longestGapMs = 0;
    }

    /**
     * What they saw.
     *
     * @param p99MsBefore 99th percentile of the latency before, in milliseconds
     * @param p99MsDuring the same from {@link #eventBegins} to {@link #eventEnds}
     * @param longestGapMs longest time since then during which one engine answered nobody, in milliseconds
     * @param firstProblem the first failed or mixed request
     */
    record Seen(
            Requests requests,
            double p99MsBefore,
            double p99MsDuring,
            double longestGapMs,
            @Nullable String firstProblem) {}

    /** Begins to ask the engines of these hosts and measures how fast they answer while nothing happens. */
    static Bystanders ask(LocalScenario scenario, List<FleetHost> hosts) throws InterruptedException {
        scenario.progress().step("asking the engines that serve");
        LoadGenerator clients = clients(scenario, hosts);
        try {
            Thread.sleep(WARM_UP);
            LoadReport warmUp = clients.lap();
            Thread.sleep(BEFORE);
            return new Bystanders(clients, warmUp, clients.lap());
        } catch (InterruptedException e) {
            clients.close();
            throw e;
        }
    }

    void eventBegins() {
        count(clients.lap());
        longestGapMs = 0;
    }

    void eventEnds() {
        LoadReport during = clients.lap();
        p99MsDuring = during.p99Ms();
        count(during);
    }

    /** Asks engines that serve now and did not when it began; their latency is left out. */
    void askNewcomers(LocalScenario scenario, List<FleetHost> hosts) throws InterruptedException {
        double gap = longestGapMs;
        try (LoadGenerator others = clients(scenario, hosts)) {
            Thread.sleep(NEWCOMERS);
            count(others.stop());
        }
        longestGapMs = gap;
    }

    Seen stop() throws InterruptedException {
        count(clients.stop());
        return new Seen(requests, p99MsBefore, p99MsDuring, longestGapMs, firstProblem);
    }

    @Override
    public void close() {
        clients.close();
    }

    private void count(LoadReport lap) {
        requests = requests.plus(lap);
        longestGapMs = Math.max(longestGapMs, lap.longestGapMs());
        if (firstProblem == null) {
            firstProblem = lap.firstProblem();
        }
    }

    private static LoadGenerator clients(LocalScenario scenario, List<FleetHost> hosts) {
        Map<URI, Map<String, LongFunction<String>>> all = scenario.answers();
        Map<URI, Map<String, LongFunction<String>>> asked = new LinkedHashMap<>();
        for (FleetHost host : hosts) {
            host.engines().forEach(engine -> asked.put(engine.http(), all.getOrDefault(engine.http(), Map.of())));
        }
        return LoadGenerator.start(
                asked, LoadSettings.steady(ThreadLocalRandom.current().nextLong()));
    }
}
