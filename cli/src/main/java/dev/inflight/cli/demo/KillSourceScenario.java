package dev.inflight.cli.demo;

import dev.inflight.cli.console.Progress;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Several worker hosts hold all of v1, since one published it and the others joined; another one joins, and the first is
 * killed when half of the bytes have come. Every host sends slowly enough for that half to be seen.
 */
public final class KillSourceScenario {
    public static final String NAME = "kill-source";

    /** With the two sources that there are at least, a join takes half of this. */
    private static final int SECONDS_OF_ONE_SOURCE = 4;

    private KillSourceScenario() {}

    /**
     * @param options with at least 2 workers, which are the sources, and 1 joiner
     * @throws ScenarioFailedException if the scenario did not get to its end
     */
    public static ScenarioOutcome<JoinReport> run(JoinOptions options, Installation installation, Progress progress)
            throws InterruptedException {
        int others = options.fleet().workers() - 1;
        if (others < 1) {
            throw new IllegalArgumentException("--workers 1: somebody must be left when a source is killed");
        }
        return LocalScenario.run(
                options.fleet().withWorkers(1),
                others + 1,
                settings(options.fleet().bytes()),
                installation,
                progress,
                scenario -> underLoad(options, scenario, others));
    }

    private static Map<String, String> settings(long bytes) {
        Map<String, String> settings = new HashMap<>();
        settings.put(
                "inflight.worker.peer.max-source-bytes-per-second",
                String.valueOf(Math.max(bytes / SECONDS_OF_ONE_SOURCE, 1 << 20)));
        settings.put("inflight.coordinator.update.progress-interval", "50 ms");
        return settings;
    }

    private static ScenarioOutcome<JoinReport> underLoad(JoinOptions options, LocalScenario scenario, int others)
            throws InterruptedException {
        LocalFleet fleet = scenario.fleet();
        FleetHost first = fleet.hosts().getFirst();
        scenario.publish(LocalScenario.V1);
        scenario.update(LocalScenario.V1);
        scenario.progress().step("joining, until " + options.fleet().workers() + " hosts hold everything");
        List<FleetHost> joinedBefore = fleet.addHosts(others, options.path().settings(), 0);
        new Joining(scenario, joinedBefore, LocalScenario.V1).awaitServing();

        Joining.Joined joined;
        Bystanders.Seen seen;
        try (Bystanders clients = Bystanders.ask(scenario, fleet.hosts())) {
            scenario.progress().step("starting a worker host with an engine, which joins");
            List<FleetHost> joiner = fleet.addHosts(1, options.path().settings(), 0);
            clients.eventBegins();
            Joining joining = new Joining(scenario, joiner, LocalScenario.V1);
            joining.awaitShare(0.5);
            scenario.progress().step("killing " + first.name() + ", from which it takes half");
            fleet.kill(first);
            joined = joining.awaitServing();
            clients.eventEnds();
            // So that nobody asks it to compare its engine's tensors.
            fleet.awaitForgotten(first);
            clients.askNewcomers(scenario, joiner);
            seen = clients.stop();
        }
        boolean verified = scenario.verify();
        double ceiling = options.path().ceilingGBps(scenario.progress());
        JoinReport report = JoinScenario.report(NAME, options, scenario, joined, seen, verified, ceiling);
        return new ScenarioOutcome<>(report, seen.firstProblem());
    }
}
