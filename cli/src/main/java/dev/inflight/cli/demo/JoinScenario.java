package dev.inflight.cli.demo;

import static dev.inflight.cli.console.Rounding.measured;

import dev.inflight.cli.console.Progress;
import java.util.List;
import java.util.Map;

/** Worker hosts with an engine each are started beside a fleet that serves v1, and nobody asks for anything. */
public final class JoinScenario {
    private JoinScenario() {}

    /**
     * @param name as the report gives it
     * @throws ScenarioFailedException if the scenario did not get to its end
     */
    public static ScenarioOutcome<JoinReport> run(
            String name, JoinOptions options, Installation installation, Progress progress)
            throws InterruptedException {
        return LocalScenario.run(
                options.fleet(),
                options.joiners(),
                Map.of(),
                installation,
                progress,
                scenario -> underLoad(name, options, scenario));
    }

    private static ScenarioOutcome<JoinReport> underLoad(String name, JoinOptions options, LocalScenario scenario)
            throws InterruptedException {
        scenario.publish(LocalScenario.V1);
        scenario.update(LocalScenario.V1);
        List<FleetHost> serving = scenario.fleet().hosts();
        Joining.Joined joined;
        Bystanders.Seen seen;
        try (Bystanders others = Bystanders.ask(scenario, serving)) {
            scenario.progress().step(starting(options.joiners()));
            List<FleetHost> joiners =
                    scenario.fleet().addHosts(options.joiners(), options.path().settings());
            others.eventBegins();
            joined = new Joining(scenario, joiners, LocalScenario.V1).awaitServing();
            others.eventEnds();
            others.askNewcomers(scenario, joiners);
            seen = others.stop();
        }
        boolean verified = scenario.verify();
        double ceiling = options.path().ceilingGBps(scenario.progress());
        JoinReport report = report(name, options, scenario, joined, seen, verified, ceiling);
        return new ScenarioOutcome<>(report, seen.firstProblem());
    }

    private static String starting(int joiners) {
        return joiners == 1
                ? "starting a worker host with an engine, which joins"
                : "starting " + joiners + " worker hosts with an engine each, which join";
    }

    /** The report of any scenario in which engines joined. */
    static JoinReport report(
            String name,
            JoinOptions options,
            LocalScenario scenario,
            Joining.Joined joined,
            Bystanders.Seen seen,
            boolean verified,
            double ceiling) {
        long bytes = scenario.checkpoints().bytes();
        double rate = bytes / joined.slowest() / 1e9;
        return new JoinReport(
                name,
                options.fleet().engine().toString(),
                options.fleet().mode(),
                options.path().toString(),
                options.fleet().workers(),
                options.joiners(),
                bytes,
                scenario.checkpoints().tensors(),
                measured(joined.together()),
                measured((double) bytes * options.joiners() / joined.together() / 1e9),
                measured(joined.slowest()),
                measured(rate),
                measured(ceiling),
                measured(rate / ceiling),
                measured(seen.longestGapMs()),
                joined.attempts(),
                joined.bytesResent(),
                joined.sources(),
                measured(seen.p99MsBefore()),
                measured(seen.p99MsDuring()),
                seen.requests(),
                verified);
    }
}
