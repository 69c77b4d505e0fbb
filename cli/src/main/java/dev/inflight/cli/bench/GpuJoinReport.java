package dev.inflight.cli.bench;

import static dev.inflight.cli.console.Rounding.measured;

import dev.inflight.cli.demo.EngineRestart;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * Joins of an engine that was killed and started anew beside the others, on a host that holds the whole checkpoint.
 *
 * @param runs joins that were measured
 * @param seconds median, the coordinator's own
 * @param fastestSeconds shortest
 * @param slowestSeconds longest
 * @param fromUpSeconds median from the engine's being up to its serving, as seen from outside
 * @param h2dGBps median of what host memory gave to that GPU alone right before each join, in 10^9 bytes per second
 * @param ratio median over the joins of the time the checkpoint's bytes take at that rate / the time the join took
 * @param verified whether at the end every engine's live tensors equal the manifest's, bit by bit
 */
public record GpuJoinReport(
        int runs,
        double seconds,
        double fastestSeconds,
        double slowestSeconds,
        double fromUpSeconds,
        double h2dGBps,
        double ratio,
        boolean verified) {
    /** @param h2dGBps ceiling measured right before */
    record Run(EngineRestart restart, double h2dGBps) {}

    /** @param bytes of the checkpoint */
    static GpuJoinReport of(List<Run> runs, long bytes, boolean verified) {
        double[] seconds = sorted(runs, run -> run.restart().operationSeconds());
        return new GpuJoinReport(
                runs.size(),
                measured(Median.ofSorted(seconds)),
                measured(seconds[0]),
                measured(seconds[seconds.length - 1]),
                measured(Median.ofSorted(sorted(runs, run -> run.restart().secondsFromUp()))),
                measured(Median.ofSorted(sorted(runs, Run::h2dGBps))),
                measured(Median.ofSorted(sorted(
                        runs,
                        run -> bytes / (run.h2dGBps() * 1e9) / run.restart().operationSeconds()))),
                verified);
    }

    private static double[] sorted(List<Run> runs, ToDoubleFunction<Run> of) {
        return runs.stream().mapToDouble(of).sorted().toArray();
    }
}
