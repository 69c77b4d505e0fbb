package dev.inflight.cli.demo;

import java.nio.file.Path;
import java.util.Map;

/**
 * A fleet to start on this machine.
 *
 * @param engine what every engine is
 * @param workers GPU workers, each with one engine; at least 1
 * @param model name under which engines ask for weights
 * @param architecture checkpoint from which a torch engine builds its module
 * @param shadow whether engines will hold two versions at once and may take the memory for it early
 * @param device what engines and slots are on
 * @param groups which engines share tensors; {@code workers} is a multiple of their size
 * @param settings of coordinator and worker hosts, over those of the profile
 */
public record FleetOptions(
        EngineKind engine,
        int workers,
        String model,
        Path architecture,
        boolean shadow,
        FleetDevice device,
        TensorParallelGroups groups,
        Map<String, String> settings) {
    public FleetOptions {
        settings = Map.copyOf(settings);
        if (workers < 1 || workers > 64) {
            throw new IllegalArgumentException("--workers " + workers + " is outside 1 to 64");
        }
        if (workers % groups.size() != 0) {
            throw new IllegalArgumentException("--workers " + workers + " is no multiple of --tp " + groups.size());
        }
        if (device.cuda() && engine != EngineKind.TORCH) {
            throw new IllegalArgumentException("a fleet on GPUs has torch engines only");
        }
    }
}
