package dev.inflight.cli.demo;

import static dev.inflight.cli.console.Rounding.measured;

import dev.inflight.cli.client.CanaryResult;
import dev.inflight.cli.client.Operation;
import dev.inflight.cli.client.Origin;
import dev.inflight.cli.client.UpdateRequest;
import dev.inflight.cli.console.Progress;
import dev.inflight.cli.load.LoadGenerator;
import dev.inflight.cli.load.LoadReport;
import dev.inflight.cli.load.LoadSettings;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/**
 * One engine tries v2, of which every weight is NaN; its health check notices, and it goes back to v1 by itself while clients
 * keep asking all engines.
 */
public final class CanaryRevertScenario {
    public static final String NAME = "canary-revert";

    /** Longer than anything here takes: the check ends it. */
    private static final double HOLD_SECONDS = 60;

    /** Engines are on this machine; the check is made often, so that the demo is short. */
    private static final Map<String, String> SETTINGS = Map.of(
            "inflight.coordinator.canary.check-hosts.0", "127.0.0.1",
            "inflight.coordinator.canary.check-interval", "250ms");

    private CanaryRevertScenario() {}

    /** @throws ScenarioFailedException if the scenario did not get to its end */
    public static ScenarioOutcome<CanaryReport> run(
            ScenarioOptions options, Installation installation, Progress progress) throws InterruptedException {
        return LocalScenario.run(
                options, 0, SETTINGS, installation, progress, scenario -> underLoad(options, scenario));
    }

    private static ScenarioOutcome<CanaryReport> underLoad(ScenarioOptions options, LocalScenario scenario)
            throws InterruptedException {
        scenario.publish(LocalScenario.V1);
        scenario.update(LocalScenario.V1);
        scenario.checkpoints().spoilSecond();
        scenario.publish(LocalScenario.V2);
        CanaryResult result;
        LoadReport load;
        try (LoadGenerator clients = LoadGenerator.start(
                scenario.answers(),
                LoadSettings.steady(ThreadLocalRandom.current().nextLong()))) {
            result = canary(options, scenario);
            load = clients.stop();
        }
        boolean verified = serveTheFirst(scenario) && scenario.verify();
        return new ScenarioOutcome<>(report(options, scenario, result, load, verified), load.firstProblem());
    }

    private static CanaryResult canary(ScenarioOptions options, LocalScenario scenario) throws InterruptedException {
        String step = "trying " + LocalScenario.V2 + " on one engine";
        scenario.progress().step(step);
        // Which engine is chosen does not depend on chance.
        String check =
                scenario.fleet().engines().getFirst().resolve("/health/weights").toString();
        Operation operation = scenario.fleet()
                .client()
                .update(
                        new UpdateRequest(LocalScenario.MODEL, LocalScenario.V2, options.mode(), null, null)
                                .tried("1", HOLD_SECONDS, check),
                        Origin.UNKNOWN,
                        shown -> scenario.progress().advance(step + ": " + shown.phase(), 0, 0));
        if (operation.result() == null) {
            scenario.requireAllAlive();
            throw new ScenarioFailedException(operation.reason());
        }
        return operation.as(CanaryResult.class);
    }

    private static boolean serveTheFirst(LocalScenario scenario) throws InterruptedException {
        return scenario.fleet()
                .client()
                .status()
                .path("workers")
                .valueStream()
                .allMatch(worker -> worker.at("/engine/version").asText().equals(LocalScenario.V1));
    }

    private static CanaryReport report(
            ScenarioOptions options, LocalScenario scenario, CanaryResult result, LoadReport load, boolean verified) {
        return new CanaryReport(
                NAME,
                options.engine().toString(),
                options.mode(),
                options.workers(),
                scenario.checkpoints().bytes(),
                scenario.checkpoints().tensors(),
                result.engines().size(),
                result.outcome(),
                result.detectedBy(),
                result.reason(),
                rounded(result.holdSeconds()),
                rounded(result.rollbackSeconds()),
                rounded(result.stallMs()),
                DemoReport.Requests.NONE.plus(load),
                verified);
    }

    private static @Nullable Double rounded(@Nullable Double value) {
        return value == null ? null : Double.valueOf(measured(value));
    }
}
