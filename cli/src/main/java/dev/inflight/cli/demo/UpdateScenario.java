package dev.inflight.cli.demo;

import static dev.inflight.cli.console.Rounding.measured;

import dev.inflight.cli.bench.Ceiling;
import dev.inflight.cli.console.Progress;
import dev.inflight.cli.demo.LocalScenario.TimedUpdate;
import dev.inflight.cli.load.LoadGenerator;
import dev.inflight.cli.load.LoadReport;
import dev.inflight.cli.load.LoadSettings;
import java.util.Objects;
import java.util.concurrent.ThreadLocalRandom;

/** The demo: engines go from v1 to v2 while clients keep asking them. */
public final class UpdateScenario {
    private UpdateScenario() {}

    /** The report for everybody and what the clients saw in detail. */
    public record Outcome(DemoReport report, LoadReport load) {}

    /** @throws ScenarioFailedException if the scenario did not get to its end */
    public static Outcome run(ScenarioOptions options, Installation installation, Progress progress)
            throws InterruptedException {
        Ceiling ceiling = Ceiling.beforeFleet(options.device(), options.workers(), progress);
        return LocalScenario.run(options, installation, progress, scenario -> underLoad(options, scenario, ceiling));
    }

    private static Outcome underLoad(ScenarioOptions options, LocalScenario scenario, Ceiling ceiling)
            throws InterruptedException {
        scenario.publish(LocalScenario.V1);
        scenario.update(LocalScenario.V1);
        LoadReport load;
        TimedUpdate update;
        try (LoadGenerator clients = LoadGenerator.start(
                scenario.answers(),
                LoadSettings.steady(ThreadLocalRandom.current().nextLong()))) {
            scenario.publish(LocalScenario.V2);
            update = scenario.update(LocalScenario.V2);
            load = clients.stop();
        }
        boolean verified = scenario.verify();
        double most = ceiling.gigabytesPerSecond(scenario.progress());
        return new Outcome(report(options, scenario, update, load, verified, most), load);
    }

    private static DemoReport report(
            ScenarioOptions options,
            LocalScenario scenario,
            TimedUpdate update,
            LoadReport load,
            boolean verified,
            double ceiling) {
        long bytes = scenario.checkpoints().bytes();
        double delivered = (double) bytes * options.workers() / update.seconds() / 1e9;
        return new DemoReport(
                "update",
                options.engine().toString(),
                Objects.requireNonNullElse(update.result().mode(), options.mode()),
                options.workers(),
                options.tp() == 1 ? null : options.tp(),
                update.result().exchangeName(),
                bytes,
                scenario.checkpoints().tensors(),
                measured(update.seconds()),
                measured(delivered),
                measured(ceiling),
                measured(delivered / ceiling),
                measured(update.result().longestStallMs()),
                new DemoReport.Requests(load.sent(), load.failed(), load.mixed()),
                verified);
    }
}
