package dev.inflight.cli.bench;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Outcome of {@code bench gpu}, in the order in which its JSON shows it.
 *
 * @param tp engines that share every tensor; null if each holds everything
 * @param gpus names
 * @param hosts worker hosts
 * @param driver the driver's version and CUDA's
 * @param processors processors that this process may use
 * @param machine the machine's CPU model
 * @param bytes size of the checkpoint
 * @param runs measured updates of each mode, after those that are not counted
 * @param h2dGBps from registered shared memory to each GPU alone, in 10^9 bytes per second
 * @param h2dSumGBps to all at once, measured before every update; the median
 * @param ceilingSeconds bytes / h2dSumGBps: no update from host memory is faster
 * @param checkpointSeconds time it took to make the checkpoints up
 * @param publishSeconds of the version that took longer
 * @param touchSeconds part of the publish that made fresh host memory present, of the version that took longer
 * @param registerSeconds part of the publish that registered memory with the GPUs, of the version that took longer
 * @param result fields of the only mode; null if there are two
 * @param modes by mode if there are two; null if there is one
 * @param join joins of an engine that was started anew; null if none was asked for, or it failed
 * @param problems what failed; empty if nothing did
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record GpuBenchReport(
        String bench,
        String model,
        @Nullable Integer tp,
        List<String> gpus,
        int hosts,
        String driver,
        int processors,
        String machine,
        long bytes,
        int tensors,
        int runs,
        List<Double> h2dGBps,
        double h2dSumGBps,
        double ceilingSeconds,
        double checkpointSeconds,
        double publishSeconds,
        double touchSeconds,
        double registerSeconds,
        @JsonUnwrapped @Nullable GpuModeReport result,
        @Nullable Map<String, GpuModeReport> modes,
        @Nullable GpuJoinReport join,
        List<String> problems) {

    /** What was measured of each mode that came to its end. */
    public List<GpuModeReport> results() {
        if (result != null) {
            return List.of(result);
        }
        return modes == null ? List.of() : List.copyOf(modes.values());
    }

    /** Whether all was measured and every engine had the right bytes. */
    public boolean passed() {
        return problems.isEmpty()
                && results().stream().allMatch(GpuModeReport::verified)
                && (join == null || join.verified());
    }
}
