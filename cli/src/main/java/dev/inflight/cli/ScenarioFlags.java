package dev.inflight.cli;

import dev.inflight.cli.console.ByteSize;
import dev.inflight.cli.demo.CheckpointPlace;
import dev.inflight.cli.demo.EngineKind;
import dev.inflight.cli.demo.FleetDevice;
import dev.inflight.cli.demo.ScenarioOptions;
import dev.inflight.cli.gpu.VisibleGpus;
import dev.inflight.worker.cuda.CudaGpu;
import dev.inflight.worker.store.CheckpointFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options that every scenario on a local fleet shares. */
@SuppressWarnings("NullAway.Init")
final class ScenarioFlags {
    private static final List<String> MODES = List.of("in-place", "shadow");
    private static final int MOST_WORKERS = 64;
    private static final long LEAST_BYTES = 1 << 20;

    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

    @Option(
            names = "--engine",
            paramLabel = "ENGINE",
            description =
                    "reference (Java) or torch (Python: what INFLIGHT_PYTHON names, or else python/.venv, built on"
                            + " first use) (default: reference, on GPUs torch).")
    private @Nullable String engine;

    @Option(
            names = "--device",
            paramLabel = "DEVICE",
            defaultValue = "host",
            description = "host, or cuda: torch engines and slots on this machine's GPUs, in turn"
                    + " (default: ${DEFAULT-VALUE}).")
    private String device;

    @Option(
            names = "--hosts",
            paramLabel = "N",
            defaultValue = "1",
            description = "With --device cuda: worker hosts that the workers are spread over. Between hosts buckets are"
                    + " exchanged by NCCL where that is possible (default: ${DEFAULT-VALUE}).")
    private int hosts;

    @Mixin
    private SlotMemoryFlag slotMemory;

    @Option(
            names = "--mode",
            paramLabel = "MODE",
            defaultValue = "in-place",
            description = "in-place (requests wait) or shadow (engines serve meanwhile) (default: ${DEFAULT-VALUE}).")
    private String mode;

    @Option(
            names = "--workers",
            paramLabel = "N",
            defaultValue = "2",
            description = "GPU workers, each with one engine, all on this machine (default: ${DEFAULT-VALUE}).")
    private int workers;

    @Option(
            names = "--tp",
            paramLabel = "N",
            defaultValue = "1",
            description = "Engines in groups of N that share the model's projections, each with its slices of them;"
                    + " --workers is a multiple of it (default: ${DEFAULT-VALUE}).")
    private int tp;

    @Option(
            names = "--size",
            paramLabel = "SIZE",
            defaultValue = "256MiB",
            description = "Size of the made-up checkpoint, e.g. 256MiB, 1GiB, 2GB (default: ${DEFAULT-VALUE}).")
    private String size;

    @Option(
            names = "--checkpoint",
            paramLabel = "DIR",
            description = "Update to this safetensors checkpoint instead of a made-up one.")
    private @Nullable Path checkpoint;

    @Option(
            names = "--place",
            paramLabel = "PLACE",
            description = "Where the made-up checkpoints lie: shm, where hosts take them in place, or disk, from where"
                    + " publishing loads them into the host stores (default: demo shm, bench disk).")
    private @Nullable String place;

    /** @param usual where checkpoints lie unless the user says otherwise */
    ScenarioOptions options(CheckpointPlace usual) {
        EngineKind kind = kind(cuda());
        if (!MODES.contains(mode)) {
            throw wrong("--mode " + mode + " is none of " + String.join(", ", MODES));
        }
        if (workers < 1 || workers > MOST_WORKERS) {
            throw wrong("--workers " + workers + " is outside 1 to " + MOST_WORKERS);
        }
        if (tp < 1 || workers % tp != 0) {
            throw wrong("--workers " + workers + " is no multiple of --tp " + tp);
        }
        if (hosts != 1 && !cuda()) {
            throw wrong("--hosts is for --device cuda; in host memory every worker has a host of its own");
        }
        if (hosts < 1 || workers % hosts != 0) {
            throw wrong("--workers " + workers + " can not be spread evenly over --hosts " + hosts);
        }
        if (checkpoint != null && !Files.exists(checkpoint)) {
            throw wrong("--checkpoint " + checkpoint + " does not exist");
        }
        long bytes = checkpoint == null ? bytes() : bytesOf(checkpoint);
        Path given = checkpoint == null ? null : checkpoint.toAbsolutePath();
        CheckpointPlace madeUp = place(usual);
        // Last, since it looks for GPUs.
        FleetDevice on = cuda() ? onGpus(slotMemory.bytes(), hosts) : FleetDevice.HOST;
        return new ScenarioOptions(kind, mode, workers, tp, bytes, given, madeUp, on);
    }

    private CheckpointPlace place(CheckpointPlace usual) {
        if (place == null) {
            return usual;
        }
        return switch (place) {
            case "shm" -> CheckpointPlace.SHM;
            case "disk" -> CheckpointPlace.DISK;
            default -> throw wrong("--place " + place + " is none of shm, disk");
        };
    }

    private boolean cuda() {
        return switch (device) {
            case "host" -> false;
            case "cuda" -> true;
            default -> throw wrong("--device " + device + " is none of host, cuda");
        };
    }

    private static FleetDevice onGpus(long slotMemoryBytes, int hosts) {
        return new FleetDevice(
                FleetDevice.Kind.CUDA,
                slotMemoryBytes,
                VisibleGpus.requireAny("--device cuda").stream()
                        .map(CudaGpu::uuid)
                        .toList(),
                hosts);
    }

    private EngineKind kind(boolean cuda) {
        if (engine == null) {
            return cuda ? EngineKind.TORCH : EngineKind.REFERENCE;
        }
        EngineKind kind = named(engine);
        if (cuda && kind != EngineKind.TORCH) {
            throw wrong("--engine " + engine + " runs on the host only; with --device cuda it must be torch");
        }
        return kind;
    }

    private EngineKind named(String engine) {
        return Arrays.stream(EngineKind.values())
                .filter(kind -> kind.toString().equals(engine))
                .findFirst()
                .orElseThrow(() -> wrong("--engine " + engine + " is none of "
                        + Arrays.stream(EngineKind.values())
                                .map(EngineKind::toString)
                                .collect(Collectors.joining(", "))));
    }

    private long bytes() {
        long bytes;
        try {
            bytes = ByteSize.parse(size);
        } catch (IllegalArgumentException e) {
            throw wrong("--size " + e.getMessage());
        }
        if (bytes < LEAST_BYTES) {
            throw wrong("--size " + size + " is below 1MiB");
        }
        return bytes;
    }

    /** Opening it also refuses a bad checkpoint before anything is started. */
    private static long bytesOf(Path checkpoint) {
        try (CheckpointFiles files = CheckpointFiles.open(checkpoint)) {
            return files.layout().bytes();
        }
    }

    private ParameterException wrong(String message) {
        return new ParameterException(command.commandLine(), message);
    }
}
