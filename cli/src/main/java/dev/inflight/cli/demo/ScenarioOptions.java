package dev.inflight.cli.demo;

import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What a local scenario runs with.
 *
 * @param engine what the engines are
 * @param mode {@code in-place} or {@code shadow}
 * @param workers GPU workers, each with one engine
 * @param tp engines that share every tensor; 1 if each holds everything
 * @param bytes size of the checkpoint: wanted if it is made up, known if it is given
 * @param checkpoint a real checkpoint to update to, or null to make one up
 * @param place where made-up checkpoints lie
 * @param device what engines and slots are on
 */
public record ScenarioOptions(
        EngineKind engine,
        String mode,
        int workers,
        int tp,
        long bytes,
        @Nullable Path checkpoint,
        CheckpointPlace place,
        FleetDevice device) {
    public Optional<Path> source() {
        return Optional.ofNullable(checkpoint);
    }

    /** Whether engines hold two versions at once during an update. */
    boolean shadow() {
        return mode.equals("shadow");
    }

    ScenarioOptions withWorkers(int count) {
        return new ScenarioOptions(engine, mode, count, tp, bytes, checkpoint, place, device);
    }

    ScenarioOptions withPlace(CheckpointPlace other) {
        return new ScenarioOptions(engine, mode, workers, tp, bytes, checkpoint, other, device);
    }

    /**
     * @param architecture checkpoint from which a torch engine builds its module
     * @param groups which engines share tensors
     * @param settings of coordinator and worker hosts, over those of the profile
     */
    FleetOptions fleet(Path architecture, TensorParallelGroups groups, Map<String, String> settings) {
        return new FleetOptions(engine, workers, LocalScenario.MODEL, architecture, shadow(), device, groups, settings);
    }
}
