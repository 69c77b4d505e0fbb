package dev.inflight.cli.demo;

import static dev.inflight.cli.console.Rounding.measured;

import dev.inflight.cli.client.UpdateResult;
import dev.inflight.cli.client.UpdateResult.EngineOutcome;
import dev.inflight.cli.console.Progress;
import dev.inflight.cli.demo.LocalScenario.TimedUpdate;
import dev.inflight.cli.load.LoadGenerator;
import dev.inflight.cli.load.LoadReport;
import dev.inflight.cli.load.LoadSettings;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.ThreadLocalRandom;

/** Engines go from v1 to v2 and are rolled back while clients keep asking them. */
public final class RollbackScenario {
    public static final String NAME = "rollback";

    /** Before either, so that both begin alike: an engine that answers what an update held back is first waited for. */
    private static final Duration SERVING = Duration.ofSeconds(1);

    private RollbackScenario() {}

    /** @throws ScenarioFailedException if the scenario did not get to its end */
    public static ScenarioOutcome<RollbackReport> run(
            ScenarioOptions options, Installation installation, Progress progress) throws InterruptedException {
        return LocalScenario.run(options, installation, progress, scenario -> underLoad(options, scenario));
    }

    private static ScenarioOutcome<RollbackReport> underLoad(ScenarioOptions options, LocalScenario scenario)
            throws InterruptedException {
        scenario.publish(LocalScenario.V1);
        scenario.update(LocalScenario.V1);
        scenario.publish(LocalScenario.V2);
        // Both sets of parameters have been written then, and all code has run: neither way is the first.
        scenario.update(LocalScenario.V1, options.mode(), "warming up");
        TimedUpdate there;
        TimedUpdate back;
        LoadReport load;
        try (LoadGenerator clients = LoadGenerator.start(
                scenario.answers(),
                LoadSettings.steady(ThreadLocalRandom.current().nextLong()))) {
            Thread.sleep(SERVING);
            there = scenario.update(LocalScenario.V2);
            Thread.sleep(SERVING);
            back = scenario.rollback();
            load = clients.stop();
        }
        boolean verified = scenario.verify() && serve(back.result(), LocalScenario.V1);
        return new ScenarioOutcome<>(report(options, scenario, there, back, load, verified), load.firstProblem());
    }

    private static boolean serve(UpdateResult result, String version) {
        return result.engineOutcomes().stream().map(EngineOutcome::version).allMatch(version::equals);
    }

    private static RollbackReport report(
            ScenarioOptions options,
            LocalScenario scenario,
            TimedUpdate there,
            TimedUpdate back,
            LoadReport load,
            boolean verified) {
        return new RollbackReport(
                NAME,
                options.engine().toString(),
                Objects.requireNonNullElse(back.result().mode(), options.mode()),
                options.workers(),
                scenario.checkpoints().bytes(),
                scenario.checkpoints().tensors(),
                back.result().outcome(),
                back.result().strategy(),
                measured(there.seconds()),
                measured(there.result().longestStallMs()),
                measured(back.seconds()),
                measured(back.result().longestStallMs()),
                DemoReport.Requests.NONE.plus(load),
                verified);
    }
}
