package dev.inflight.cli.bench;

import static dev.inflight.cli.console.Rounding.measured;

import dev.inflight.cli.client.UpdateResult;
import dev.inflight.cli.console.Progress;
import dev.inflight.cli.demo.Installation;
import dev.inflight.cli.demo.LocalScenario;
import dev.inflight.cli.demo.LocalScenario.TimedUpdate;
import dev.inflight.cli.demo.ScenarioOptions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;

/** Measures updates of a local fleet without load: back and forth between two versions. */
public final class UpdateBench {
    /** An even number. The first touch memory, the next ones are run while the JVMs still compile. */
    private static final int WARM_UPS = 20;

    private UpdateBench() {}

    /**
     * @param runs measured updates, at least 1
     * @throws dev.inflight.cli.demo.ScenarioFailedException if an update did not commit
     */
    public static UpdateBenchReport run(ScenarioOptions options, int runs, Installation installation, Progress progress)
            throws InterruptedException {
        Ceiling ceiling = Ceiling.beforeFleet(options.device(), options.workers(), progress);
        return LocalScenario.run(
                options, installation, progress, scenario -> measure(options, runs, scenario, ceiling));
    }

    private static UpdateBenchReport measure(ScenarioOptions options, int runs, LocalScenario scenario, Ceiling ceiling)
            throws InterruptedException {
        scenario.publish(LocalScenario.V1);
        scenario.publish(LocalScenario.V2);
        for (int i = 0; i < WARM_UPS; i++) {
            scenario.update(i % 2 == 0 ? LocalScenario.V1 : LocalScenario.V2);
        }
        List<TimedUpdate> updates = new ArrayList<>();
        for (int i = 0; i < runs; i++) {
            updates.add(scenario.update(i % 2 == 0 ? LocalScenario.V1 : LocalScenario.V2));
        }
        boolean verified = scenario.verify();
        return report(options, scenario, updates, verified, ceiling.gigabytesPerSecond(scenario.progress()));
    }

    private static UpdateBenchReport report(
            ScenarioOptions options,
            LocalScenario scenario,
            List<TimedUpdate> updates,
            boolean verified,
            double ceiling) {
        double[] seconds =
                updates.stream().mapToDouble(TimedUpdate::seconds).sorted().toArray();
        UpdateResult typical = updates.stream()
                .sorted(Comparator.comparingDouble(TimedUpdate::seconds))
                .toList()
                .get((updates.size() - 1) / 2)
                .result();
        double[] stalls = updates.stream()
                .mapToDouble(update -> update.result().longestStallMs())
                .sorted()
                .toArray();
        long bytes = scenario.checkpoints().bytes();
        double delivered = (double) bytes * options.workers() / Median.ofSorted(seconds) / 1e9;
        return new UpdateBenchReport(
                "update",
                options.engine().toString(),
                Objects.requireNonNullElse(typical.mode(), options.mode()),
                options.workers(),
                options.tp() == 1 ? null : options.tp(),
                options.place().toString(),
                bytes,
                scenario.checkpoints().tensors(),
                seconds.length,
                measured(Median.ofSorted(seconds)),
                measured(seconds[0]),
                measured(seconds[seconds.length - 1]),
                measured(delivered),
                measured(ceiling),
                measured(delivered / ceiling),
                measured(Median.ofSorted(stalls)),
                typical.slots(),
                typical.phases(),
                typical.stages(),
                Machine.processors(),
                Machine.cpuModel(),
                verified);
    }
}
