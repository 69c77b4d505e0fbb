package dev.inflight.cli.bench;

import dev.inflight.cli.demo.EngineKind;
import dev.inflight.cli.demo.FleetDevice;
import dev.inflight.cli.demo.FleetOptions;
import dev.inflight.cli.demo.LocalScenario;
import dev.inflight.cli.demo.TensorParallelGroups;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What {@link GpuBench} measures.
 *
 * @param model name in the catalog, or the given checkpoint's path
 * @param checkpoint a checkpoint to take as one of the two versions, or null to make both up
 * @param gpus how many; 0 takes all that CUDA shows
 * @param tp engines that share every tensor; 1 if each holds everything
 * @param modes {@code in-place}, {@code shadow} or both, in the order to measure them
 * @param hosts worker hosts that the workers are spread over, in equal blocks
 * @param exchange {@code auto}, {@code transfers} or {@code nccl}, as {@code inflight.coordinator.update.exchange}
 * @param warmUps updates of each mode before the measured ones; engines map slots in the first, and the JVMs compile for
 *     about forty
 * @param runs measured updates of each mode, at least 1
 * @param slotMemoryBytes most memory of a GPU that one slot ring takes
 * @param repeat updates in a row after the measured ones, to see whether anything grows; 0 for none
 * @param joins how often an engine is killed, started anew and joined, after the updates; 0 for none
 * @param trace where to put the timeline of the fastest update; null for none
 */
public record GpuBenchOptions(
        String model,
        @Nullable Path checkpoint,
        int gpus,
        int tp,
        List<String> modes,
        int hosts,
        String exchange,
        int warmUps,
        int runs,
        long slotMemoryBytes,
        int repeat,
        int joins,
        @Nullable Path trace) {
    public GpuBenchOptions {
        modes = List.copyOf(modes);
    }

    /** Whether engines need room for two versions. */
    boolean shadow() {
        return modes.contains("shadow");
    }

    /**
     * @param gpuUuids one for each worker
     * @param groups which engines share tensors
     * @param settings of coordinator and worker host
     */
    FleetOptions fleet(
            List<String> gpuUuids, Path architecture, TensorParallelGroups groups, Map<String, String> settings) {
        Map<String, String> all = new HashMap<>(settings);
        all.put("inflight.coordinator.update.exchange", exchange);
        return new FleetOptions(
                EngineKind.TORCH,
                gpuUuids.size(),
                LocalScenario.MODEL,
                architecture,
                shadow(),
                new FleetDevice(FleetDevice.Kind.CUDA, slotMemoryBytes, gpuUuids, hosts),
                groups,
                all);
    }
}
