package dev.inflight.cli.demo;

import static dev.inflight.cli.console.Rounding.measured;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.cli.client.CoordinatorClient;
import dev.inflight.cli.client.CoordinatorRefusedException;
import dev.inflight.cli.client.CoordinatorUnreachableException;
import dev.inflight.cli.client.Operation;
import dev.inflight.cli.client.UpdateRequest;
import dev.inflight.cli.client.UpdateResult;
import dev.inflight.cli.console.Progress;
import dev.inflight.cli.load.LoadGenerator;
import dev.inflight.cli.load.LoadReport;
import dev.inflight.cli.load.LoadSettings;
import java.time.Duration;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Three coordinator nodes; the one that decides is killed while an update streams under load, and the next one ends the
 * update: as committed if somebody was told to commit, else as aborted.
 */
public final class KillCoordinatorScenario {
    public static final String NAME = "kill-coordinator";

    private static final int STANDBYS = 2;
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final Duration POLL = Duration.ofMillis(20);
    private static final String STREAMING = "streaming";
    private static final String DEAD_PROCESSES = "inflight_dead_processes_total";

    private final ScenarioOptions options;
    private final LocalScenario scenario;

    private KillCoordinatorScenario(ScenarioOptions options, LocalScenario scenario) {
        this.options = options;
        this.scenario = scenario;
    }

    /** @throws ScenarioFailedException if the scenario did not get to its end */
    public static ScenarioOutcome<FailoverReport> run(
            ScenarioOptions options, Installation installation, Progress progress) throws InterruptedException {
        return LocalScenario.run(
                options,
                installation,
                progress,
                scenario -> new KillCoordinatorScenario(options, scenario).underLoad());
    }

    private ScenarioOutcome<FailoverReport> underLoad() throws InterruptedException {
        LocalFleet fleet = scenario.fleet();
        scenario.progress().step("starting " + STANDBYS + " coordinator nodes that stand by");
        fleet.addStandbys(STANDBYS);
        scenario.publish(LocalScenario.V1);
        scenario.update(LocalScenario.V1);
        scenario.publish(LocalScenario.V2);
        LoadReport load;
        String killedIn;
        Operation ended;
        double seconds;
        String version;
        try (LoadGenerator clients = LoadGenerator.start(
                scenario.answers(),
                LoadSettings.steady(ThreadLocalRandom.current().nextLong()))) {
            scenario.progress().step("updating to v2, until it streams");
            String id = fleet.client()
                    .beginUpdate(new UpdateRequest(
                            LocalScenario.MODEL, LocalScenario.V2, options.mode(), "broadcast", null));
            killedIn = awaitStreaming(id);
            scenario.progress().step("the coordinator is killed while the update is " + killedIn);
            long killed = fleet.killCoordinator();
            ended = awaitEnd(id);
            version = awaitOneVersion();
            seconds = (System.nanoTime() - killed) / 1e9;
            load = clients.stop();
        }
        String detectedBy = detectedBy();
        boolean sane = version.equals(ended.succeeded() ? LocalScenario.V2 : LocalScenario.V1);
        scenario.update(LocalScenario.V2);
        boolean verified = scenario.verify() && sane;
        FailoverReport report = new FailoverReport(
                NAME,
                options.engine().toString(),
                options.mode(),
                options.workers(),
                1 + STANDBYS,
                scenario.checkpoints().bytes(),
                scenario.checkpoints().tensors(),
                killedIn,
                ended.as(UpdateResult.class).outcome(),
                version,
                measured(seconds),
                measured(load.longestGapMs()),
                detectedBy,
                DemoReport.Requests.NONE.plus(load),
                verified);
        return new ScenarioOutcome<>(report, load.firstProblem());
    }

    /** @return the phase in which it was seen */
    private String awaitStreaming(String id) throws InterruptedException {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (true) {
            Operation update = scenario.fleet().client().operation(id);
            if (STREAMING.equals(update.phase())) {
                return STREAMING;
            }
            scenario.requireAllAlive();
            if (!update.running() || System.nanoTime() > deadline) {
                throw new ScenarioFailedException(
                        "the update was not seen streaming, it is " + update.step() + "; try a larger --size");
            }
        }
    }

    /** Until somebody decides again nobody answers, or says that the operation is not known or still recovering. */
    private Operation awaitEnd(String id) throws InterruptedException {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (System.nanoTime() < deadline) {
            scenario.requireAllAlive();
            try {
                Operation update = scenario.fleet().client().operation(id);
                if (!update.running()) {
                    return update;
                }
            } catch (CoordinatorUnreachableException | CoordinatorRefusedException e) {
                // Not yet.
            }
            Thread.sleep(POLL);
        }
        throw new ScenarioFailedException(
                "nobody ended update " + id + " within " + LIMIT.toSeconds() + " s of its coordinator's death");
    }

    private String awaitOneVersion() throws InterruptedException {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        Set<String> versions = new HashSet<>();
        while (System.nanoTime() < deadline) {
            versions.clear();
            int serving = 0;
            for (JsonNode worker : scenario.fleet().client().status().path("workers")) {
                if (worker.at("/engine/state").asText().equals("SERVING")) {
                    versions.add(worker.at("/engine/version").asText());
                    serving++;
                }
            }
            if (serving == options.workers() && versions.size() == 1) {
                return versions.iterator().next();
            }
            Thread.sleep(POLL);
        }
        throw new ScenarioFailedException("engines do not serve one version: " + versions);
    }

    private String detectedBy() throws InterruptedException {
        boolean refused = false;
        for (CoordinatorClient standby : scenario.fleet().standbyClients()) {
            try (standby) {
                refused |= standby.metrics().lines().anyMatch(KillCoordinatorScenario::countsDeadProcesses);
            }
        }
        return refused ? "refused connection" : "split-brain resolver";
    }

    private static boolean countsDeadProcesses(String line) {
        return line.startsWith(DEAD_PROCESSES + " ")
                && Double.parseDouble(line.substring(DEAD_PROCESSES.length()).strip()) > 0;
    }
}
