package dev.inflight.cli.demo;

import static dev.inflight.cli.console.Rounding.measured;

import dev.inflight.cli.console.Progress;
import dev.inflight.cli.demo.LocalScenario.TimedUpdate;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * A worker host of a fleet that serves v1 is stopped as an operator stops it. What it alone held must be held by the
 * others then: the files of both versions are out of reach when the fleet goes to v2 and back.
 */
public final class LeaveScenario {
    public static final String NAME = "leave";

    /** Longer than the coordinator gives a host for handing its shards over. */
    private static final Duration LEAVE_LIMIT = Duration.ofSeconds(60);

    private LeaveScenario() {}

    /** What happened to the fleet. */
    private record Left(double leaveSeconds, TimedUpdate there, TimedUpdate back, boolean verified) {}

    /**
     * @param options with at least 2 workers, on the host
     * @throws ScenarioFailedException if the scenario did not get to its end
     */
    public static ScenarioOutcome<LeaveReport> run(
            ScenarioOptions options, Installation installation, Progress progress) throws InterruptedException {
        if (options.workers() < 2) {
            throw new IllegalArgumentException("--workers 1: nobody would be left");
        }
        if (options.device().cuda()) {
            throw new IllegalArgumentException(
                    "--device cuda: there the fleet has one worker host, which cannot leave");
        }
        // Taken in place, files would be the memory that the hosts hold.
        ScenarioOptions onDisk = options.withPlace(CheckpointPlace.DISK);
        return LocalScenario.run(onDisk, 1, Map.of(), installation, progress, scenario -> underLoad(onDisk, scenario));
    }

    private static ScenarioOutcome<LeaveReport> underLoad(ScenarioOptions options, LocalScenario scenario)
            throws InterruptedException {
        scenario.publish(LocalScenario.V1);
        scenario.publish(LocalScenario.V2);
        scenario.update(LocalScenario.V1);
        if (options.source().isEmpty()) {
            scenario.checkpoints().moveAway();
        }
        List<FleetHost> hosts = scenario.fleet().hosts();
        Left left;
        Bystanders.Seen seen;
        try (Bystanders others = Bystanders.ask(scenario, hosts.subList(0, hosts.size() - 1))) {
            left = leave(scenario, hosts.getLast(), others);
            seen = others.stop();
        }
        return new ScenarioOutcome<>(report(options, scenario, left, seen), seen.firstProblem());
    }

    private static Left leave(LocalScenario scenario, FleetHost leaver, Bystanders others) throws InterruptedException {
        scenario.progress().step("stopping " + leaver.name());
        others.eventBegins();
        long begin = System.nanoTime();
        scenario.fleet().stop(leaver, LEAVE_LIMIT);
        double seconds = (System.nanoTime() - begin) / 1e9;
        scenario.fleet().awaitForgotten(leaver);
        others.eventEnds();
        TimedUpdate there = scenario.update(LocalScenario.V2);
        boolean verifiedThere = scenario.verify();
        TimedUpdate back = scenario.update(LocalScenario.V1);
        boolean verifiedBack = scenario.verify();
        return new Left(seconds, there, back, verifiedThere && verifiedBack);
    }

    private static LeaveReport report(
            ScenarioOptions options, LocalScenario scenario, Left left, Bystanders.Seen seen) {
        return new LeaveReport(
                NAME,
                options.engine().toString(),
                options.mode(),
                options.workers(),
                scenario.checkpoints().bytes(),
                scenario.checkpoints().tensors(),
                measured(left.leaveSeconds()),
                measured(left.there().seconds()),
                measured(left.back().seconds()),
                measured(Math.max(
                        left.there().result().longestStallMs(),
                        left.back().result().longestStallMs())),
                measured(seen.p99MsBefore()),
                measured(seen.p99MsDuring()),
                seen.requests(),
                left.verified());
    }
}
