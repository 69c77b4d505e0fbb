package dev.inflight.cli.demo;

import static dev.inflight.cli.console.Rounding.measured;

import dev.inflight.cli.console.Progress;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Worker hosts with an engine each are started beside a fleet that serves v1, and nobody asks for anything. */
public final class JoinScenario {
    /** Tensors begin at multiples of some bytes. */
    private static final int PADDING_SHARE = 50;

    private static final long MIN_PADDING_BYTES = 1 << 20;

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
        double ceiling;
        try (Bystanders others = Bystanders.ask(scenario, serving)) {
            ceiling = options.path().ceilingGBps(scenario.progress());
            List<FleetHost> joiners = start(options, scenario);
            others.eventBegins();
            joined = new Joining(scenario, joiners, LocalScenario.V1).awaitServing();
            others.eventEnds();
            others.askNewcomers(scenario, joiners);
            seen = others.stop();
        }
        boolean verified = scenario.verify();
        JoinReport report = report(name, options, scenario, joined, seen, verified, ceiling);
        return new ScenarioOutcome<>(report, seen.firstProblem());
    }

    /** Returns hosts whose engines are up and about to join. */
    private static List<FleetHost> start(JoinOptions options, LocalScenario scenario) throws InterruptedException {
        long bytes = scenario.checkpoints().bytes();
        long padded = bytes + bytes / PADDING_SHARE + MIN_PADDING_BYTES;
        scenario.progress().step(starting(options.joiners()));
        List<FleetHost> hosts = addWarm(options, scenario, padded);
        if (options.path() == JoinPath.OWN) {
            new Joining(scenario, hosts, LocalScenario.V1).awaitServing();
            scenario.progress().step("starting their engines anew");
            for (FleetHost host : hosts) {
                scenario.fleet().restartEngine(host, 0, padded);
            }
        }
        return hosts;
    }

    /** As an operator would have them: memory is touched while they start, and not while they join. */
    private static List<FleetHost> addWarm(JoinOptions options, LocalScenario scenario, long padded)
            throws InterruptedException {
        Map<String, String> settings = new HashMap<>(options.path().settings());
        settings.put("inflight.worker.store.warm-bytes", String.valueOf(padded));
        return scenario.fleet().addHosts(options.joiners(), settings, padded);
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
        double transferRate = joined.transfer() == 0 ? 0 : bytes / joined.transfer() / 1e9;
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
                measured(joined.transfer()),
                measured(transferRate),
                measured(ceiling),
                measured(rate / ceiling),
                measured(transferRate / ceiling),
                measured(seen.longestGapMs()),
                joined.attempts(),
                joined.bytesResent(),
                joined.sources(),
                joined.bytesCast(),
                joined.castSources(),
                measured(seen.p99MsBefore()),
                measured(seen.p99MsDuring()),
                seen.requests(),
                verified);
    }
}
