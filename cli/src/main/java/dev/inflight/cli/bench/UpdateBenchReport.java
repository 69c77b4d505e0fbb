package dev.inflight.cli.bench;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.inflight.cli.client.UpdateResult;
import org.jspecify.annotations.Nullable;

/**
 * Outcome of {@code bench update}, in the order in which its JSON shows it.
 *
 * @param tp engines that share every tensor; null if each holds everything
 * @param place where the checkpoints were published from: disk, into the host stores, or shm, taken in place
 * @param runs measured updates, after twenty that are not counted
 * @param seconds median duration of an update, as who asked for it saw it
 * @param fastestSeconds shortest of the runs
 * @param slowestSeconds longest of the runs
 * @param deliveredGBps checkpoint bytes times engines, per second of the median, in 10^9 bytes
 * @param ceilingGBps what {@link Ceiling} found in the same run
 * @param ratio delivered / ceiling
 * @param stallMs median over the runs of the longest time an engine could not serve
 * @param slots buffers of every worker in the median run, as the coordinator reports them
 * @param phases how long the coordinator waited in each phase of the median run
 * @param stages busy time of each stage in the median run, as the coordinator reports it
 * @param processors processors that this process may use
 * @param machine the machine's CPU model
 * @param verified whether after the last run every engine's live tensors equal the manifest's
 */
public record UpdateBenchReport(
        String bench,
        String engine,
        String mode,
        int workers,
        @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable Integer tp,
        String place,
        long bytes,
        int tensors,
        int runs,
        double seconds,
        double fastestSeconds,
        double slowestSeconds,
        double deliveredGBps,
        double ceilingGBps,
        double ratio,
        double stallMs,
        UpdateResult.@Nullable SlotUse slots,
        UpdateResult.@Nullable Phases phases,
        UpdateResult.@Nullable Stages stages,
        int processors,
        String machine,
        boolean verified) {}
