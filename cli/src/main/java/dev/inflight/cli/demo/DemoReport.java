package dev.inflight.cli.demo;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.inflight.cli.load.LoadReport;
import org.jspecify.annotations.Nullable;

/**
 * Outcome of the demo, in the order in which its JSON shows it.
 *
 * @param engine {@code reference} or {@code torch}
 * @param mode {@code in-place} or {@code shadow}
 * @param workers GPU workers, each with one engine
 * @param tp engines that share every tensor; null if each holds everything
 * @param exchange how buckets came from worker to worker, {@code transfers} or {@code nccl}
 * @param bytes size of the checkpoint
 * @param tensors number of tensors
 * @param seconds duration of the update from v1 to v2, as who asked for it saw it
 * @param deliveredGBps checkpoint bytes times engines, per second, in 10^9 bytes; engines that share tensors are sent
 *     all of them and copy their slices
 * @param ceilingGBps what {@link dev.inflight.cli.bench.Ceiling} found in the same run
 * @param ratio delivered / ceiling
 * @param stallMs the longest time an engine could not serve
 * @param verified whether every engine's live tensors equal the manifest's
 */
public record DemoReport(
        String scenario,
        String engine,
        String mode,
        int workers,
        @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable Integer tp,
        String exchange,
        long bytes,
        int tensors,
        double seconds,
        double deliveredGBps,
        double ceilingGBps,
        double ratio,
        double stallMs,
        Requests requests,
        boolean verified)
        implements ScenarioReport {

    /** Requests of the clients. */
    public record Requests(long sent, long failed, long mixed) {
        static final Requests NONE = new Requests(0, 0, 0);

        Requests plus(LoadReport load) {
            return new Requests(sent + load.sent(), failed + load.failed(), mixed + load.mixed());
        }
    }
}
