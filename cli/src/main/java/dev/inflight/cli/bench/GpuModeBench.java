package dev.inflight.cli.bench;

import dev.inflight.cli.demo.LocalScenario;
import dev.inflight.cli.demo.LocalScenario.TimedUpdate;
import dev.inflight.cli.gpu.DeviceMemory;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** Updates of one fleet, back and forth between its two versions, in one mode after another. */
final class GpuModeBench {
    /** To each version once: the first takes slots, and engines map them. */
    private static final int WARM_UPS = 2;

    private final LocalScenario scenario;
    private String next = LocalScenario.V1;

    GpuModeBench(LocalScenario scenario) {
        this.scenario = scenario;
    }

    /** Measured updates, fastest first. */
    record Timed(List<TimedUpdate> updates) {
        Timed {
            updates = updates.stream()
                    .sorted(Comparator.comparingDouble(Timed::seconds))
                    .toList();
        }

        /** The coordinator's own figure: polling is not in it. */
        private static double seconds(TimedUpdate update) {
            return update.result().seconds();
        }

        TimedUpdate fastest() {
            return updates.getFirst();
        }

        TimedUpdate slowest() {
            return updates.getLast();
        }

        TimedUpdate typical() {
            return updates.get((updates.size() - 1) / 2);
        }

        double medianSeconds() {
            return Median.ofSorted(updates.stream().mapToDouble(Timed::seconds).toArray());
        }

        double medianClientSeconds() {
            return Median.ofSorted(
                    updates.stream().mapToDouble(TimedUpdate::seconds).sorted().toArray());
        }

        double medianStallMs() {
            return Median.ofSorted(updates.stream()
                    .mapToDouble(update -> update.result().longestStallMs())
                    .sorted()
                    .toArray());
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
        for (int i = 0; i < WARM_UPS; i++) {
            update(mode, "first " + mode + " updates, not measured");
        }
    }

    Timed measure(String mode, int runs) throws InterruptedException {
        return inARow(mode, runs, "measuring " + runs + " " + mode + " updates");
    }

    GpuModeReport.Repeat repeat(String mode, int updates, DeviceMemory memory) throws InterruptedException {
        List<Long> workers = scenario.fleet().workerPids();
        HostResources before = HostResources.now(memory.freeBytes(), workers);
        Timed timed = inARow(mode, updates, updates + " more " + mode + " updates in a row");
        HostResources after = HostResources.now(memory.freeBytes(), workers);
        return new GpuModeReport.Repeat(updates, timed.medianSeconds(), before, after);
    }

    private Timed inARow(String mode, int count, String step) throws InterruptedException {
        List<TimedUpdate> updates = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            updates.add(update(mode, step));
        }
        return new Timed(updates);
    }

    private TimedUpdate update(String mode, String step) throws InterruptedException {
        TimedUpdate update = scenario.update(next, mode, step);
        next = next.equals(LocalScenario.V1) ? LocalScenario.V2 : LocalScenario.V1;
        return update;
    }
}
