package dev.inflight.cli.bench;

import static dev.inflight.cli.console.Rounding.measured;

import dev.inflight.cli.client.UpdateResult;
import dev.inflight.cli.demo.LocalScenario;
import dev.inflight.cli.demo.LocalScenario.TimedUpdate;
import dev.inflight.cli.gpu.DeviceMemory;
import dev.inflight.cli.gpu.H2dProbe;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.function.ToDoubleFunction;

/** Updates of one fleet, back and forth between its two versions, in one mode after another. */
final class GpuModeBench {
    private final LocalScenario scenario;
    private final int warmUps;
    private String next = LocalScenario.V1;

    /** @param warmUps updates before the measured ones of each mode */
    GpuModeBench(LocalScenario scenario, int warmUps) {
        this.scenario = scenario;
        this.warmUps = warmUps;
    }

    /**
     * A measured update.
     *
     * @param h2dSumGBps what host memory gave to all GPUs at once right before it, in 10^9 bytes per second
     */
    record Run(TimedUpdate update, double h2dSumGBps) {
        /** The coordinator's own figure: polling is not in it. */
        double seconds() {
            return update.result().seconds();
        }

        /** How long the checkpoint's bytes would have taken at that rate / how long the update took. */
        double ratio() {
            return update.result().bytes() / (h2dSumGBps * 1e9) / seconds();
        }
    }

    /** Measured updates, fastest first. */
    record Timed(List<Run> runs) {
        Timed {
            runs = runs.stream()
                    .sorted(Comparator.comparingDouble(Run::seconds))
                    .toList();
        }

        UpdateResult fastest() {
            return runs.getFirst().update().result();
        }

        UpdateResult slowest() {
            return runs.getLast().update().result();
        }

        UpdateResult typical() {
            return runs.get((runs.size() - 1) / 2).update().result();
        }

        double medianSeconds() {
            return median(Run::seconds);
        }

        double medianRatio() {
            return median(Run::ratio);
        }

        double medianH2dSumGBps() {
            return median(Run::h2dSumGBps);
        }

        double medianClientSeconds() {
            return median(run -> run.update().seconds());
        }

        double medianStallMs() {
            return median(run -> run.update().result().longestStallMs());
        }

        private double median(ToDoubleFunction<Run> of) {
            return Median.ofSorted(runs.stream().mapToDouble(of).sorted().toArray());
        }
    }

    /** Not measured, but for the memory they take: most bytes beyond {@code before} on any GPU. */
    long warmUp(String mode, DeviceMemory memory, List<Long> before) throws InterruptedException {
        try (DeviceMemory.Watch watch = memory.watch(before)) {
            warmUp(mode);
            return watch.mostTakenBytes();
        }
    }

    void warmUp(String mode) throws InterruptedException {
        for (int i = 0; i < warmUps; i++) {
            update(mode, "first " + mode + " updates, not measured");
        }
    }

    /** Measures the ceiling before every update: on a machine shared with others it changes from second to second. */
    Timed measure(String mode, int runs, H2dProbe probe) throws InterruptedException {
        List<Run> measured = new ArrayList<>();
        for (int i = 0; i < runs; i++) {
            double ceiling = probe.sumGBps();
            measured.add(new Run(update(mode, "measuring " + runs + " " + mode + " updates"), ceiling));
        }
        return new Timed(measured);
    }

    /** Back to back: the ceiling is measured around them only. */
    GpuModeReport.Repeat repeat(String mode, int updates, DeviceMemory memory, H2dProbe probe)
            throws InterruptedException {
        double ceilingBefore = probe.sumGBps();
        List<Long> workers = scenario.fleet().workerPids();
        HostResources before = HostResources.now(memory.freeBytes(), workers);
        double[] seconds = new double[updates];
        long bytes = 0;
        for (int i = 0; i < updates; i++) {
            UpdateResult result = update(mode, updates + " more " + mode + " updates in a row")
                    .result();
            seconds[i] = result.seconds();
            bytes = result.bytes();
        }
        Arrays.sort(seconds);
        HostResources after = HostResources.now(memory.freeBytes(), workers);
        double median = Median.ofSorted(seconds);
        double ceiling = (ceilingBefore + probe.sumGBps()) / 2;
        return new GpuModeReport.Repeat(
                updates,
                measured(median),
                measured(ceiling),
                measured(bytes / (ceiling * 1e9) / median),
                before,
                after);
    }

    /** What the engines have after the last update. */
    String current() {
        return other(next);
    }

    private static String other(String version) {
        return version.equals(LocalScenario.V1) ? LocalScenario.V2 : LocalScenario.V1;
    }

    private TimedUpdate update(String mode, String step) throws InterruptedException {
        TimedUpdate update = scenario.update(next, mode, step);
        next = other(next);
        return update;
    }
}
