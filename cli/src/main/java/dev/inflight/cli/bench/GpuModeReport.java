package dev.inflight.cli.bench;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.inflight.cli.client.UpdateResult;
import org.jspecify.annotations.Nullable;

/**
 * What {@code bench gpu} measured of one mode, in the order in which its JSON shows it. Durations of updates are the
 * coordinator's own, from accepting the request to the last commit, unless it says otherwise.
 *
 * @param seconds median
 * @param fastestSeconds shortest
 * @param slowestSeconds longest
 * @param clientSeconds median of what who asked saw, HTTP and polling included
 * @param h2dSumGBps median of what host memory gave to all GPUs at once right before each update
 * @param ratio median over the updates of the time their bytes take at that rate / the time the update took
 * @param serialSeconds median with a single slot, so that the stages run one after the other; null if it failed
 * @param speedup serialSeconds / seconds
 * @param peakExtraDeviceMiB most memory that the first updates took on any GPU beyond what engines and idle workers had:
 *     the slots, and what CUDA needs to share them. A shadow's second set of weights is the engines' from the start
 * @param slots buffers of every worker in the median run
 * @param exchange how buckets came from worker to worker in the median run, and why so
 * @param phases how long the coordinator waited in each phase of the median run
 * @param stages busy time of each stage in the median run, on the worker that was busy longest
 * @param stallMs median of the longest time an engine could not serve
 * @param verified whether at the end every engine's live tensors equal the manifest's, bit by bit
 * @param repeat null if none was asked for
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record GpuModeReport(
        String mode,
        double seconds,
        double fastestSeconds,
        double slowestSeconds,
        double clientSeconds,
        double h2dSumGBps,
        double ratio,
        @Nullable Double serialSeconds,
        @Nullable Double speedup,
        double peakExtraDeviceMiB,
        UpdateResult.@Nullable SlotUse slots,
        UpdateResult.@Nullable ExchangeUse exchange,
        UpdateResult.@Nullable Phases phases,
        UpdateResult.@Nullable Stages stages,
        double stallMs,
        boolean verified,
        @Nullable Repeat repeat) {

    /**
     * Updates in a row after the measured ones.
     *
     * @param seconds median
     * @param h2dSumGBps what host memory gave to all GPUs at once, mean of right before and right after them
     * @param ratio time their bytes take at that rate / seconds
     * @param before with the engines on the version before the first
     * @param after when the last was done
     */
    public record Repeat(
            int updates, double seconds, double h2dSumGBps, double ratio, HostResources before, HostResources after) {}
}
