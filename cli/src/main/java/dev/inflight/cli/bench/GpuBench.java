package dev.inflight.cli.bench;

import static dev.inflight.cli.console.Rounding.measured;

import dev.inflight.cli.client.PublishResult;
import dev.inflight.cli.client.UpdateResult;
import dev.inflight.cli.console.ByteSize;
import dev.inflight.cli.console.Progress;
import dev.inflight.cli.demo.CheckpointPair;
import dev.inflight.cli.demo.Installation;
import dev.inflight.cli.demo.LocalRun;
import dev.inflight.cli.demo.LocalScenario;
import dev.inflight.cli.demo.ScenarioFailedException;
import dev.inflight.cli.gpu.DeviceMemory;
import dev.inflight.cli.gpu.H2dCeiling;
import dev.inflight.cli.gpu.VisibleGpus;
import dev.inflight.cli.model.ModelCatalog;
import dev.inflight.cli.model.ModelTensor;
import dev.inflight.worker.cuda.CudaGpu;
import dev.inflight.worker.store.CheckpointFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Measures updates of torch engines on this machine's GPUs: against what the host can give to them, and against the same
 * with one slot, where nothing overlaps. What fails is told in the report, and the rest is measured nevertheless.
 */
public final class GpuBench {
    private static final String NAME = "bench gpu";
    private static final double MIB = 1 << 20;
    /** CUDA contexts of engine, worker and this process, and what torch caches. */
    private static final long DEVICE_OVERHEAD_BYTES = 3L << 30;

    private final GpuBenchOptions options;
    private final Installation installation;
    private final Progress progress;
    private final List<CudaGpu> gpus;
    private final List<String> problems = new ArrayList<>();

    private GpuBench(GpuBenchOptions options, Installation installation, Progress progress, List<CudaGpu> gpus) {
        this.options = options;
        this.installation = installation;
        this.progress = progress;
        this.gpus = gpus;
    }

    /**
     * Takes minutes.
     *
     * @throws dev.inflight.cli.gpu.MissingGpuException if there are not the GPUs for it
     * @throws ScenarioFailedException if there is not the memory for it, or the fleet did not start
     */
    public static GpuBenchReport run(GpuBenchOptions options, Installation installation, Progress progress)
            throws InterruptedException {
        List<CudaGpu> gpus =
                options.gpus() == 0 ? VisibleGpus.requireAny(NAME) : VisibleGpus.require(NAME, options.gpus());
        return new GpuBench(options, installation, progress, gpus).measure();
    }

    /** What the fleet whose stages overlap showed. */
    private record Overlapped(List<PublishResult> publishes, Map<String, Mode> modes) {}

    /** One mode of it. */
    private record Mode(
            GpuModeBench.Timed timed, long peakBytes, GpuModeReport.@Nullable Repeat repeat, boolean verified) {}

    private GpuBenchReport measure() throws InterruptedException {
        if (gpus.size() % options.hosts() != 0) {
            throw new ScenarioFailedException(NAME + ": " + gpus.size() + " workers can not be spread evenly over "
                    + options.hosts() + " worker hosts");
        }
        requireMemory();
        progress.step("measuring the host-to-device ceiling of " + gpus.size() + " GPUs");
        H2dCeiling ceiling = H2dCeiling.measure(gpus);
        try (LocalRun place = LocalRun.begin()) {
            long begin = System.nanoTime();
            try (CheckpointPair checkpoints = make(place);
                    DeviceMemory memory = DeviceMemory.open(gpus)) {
                double makeSeconds = (System.nanoTime() - begin) / 1e9;
                Path traces = place.directory().path().resolve("traces");
                Overlapped overlapped = overlapped(checkpoints, memory, traces);
                keepTraces(overlapped, traces);
                Map<String, Double> serialSeconds = serial(checkpoints, overlapped.modes());
                return report(ceiling, checkpoints, makeSeconds, overlapped, serialSeconds);
            } catch (IOException e) {
                throw new ScenarioFailedException(NAME + ": " + e.getMessage(), e);
            }
        }
    }

    /** Before anything is made or taken. */
    private void requireMemory() {
        long bytes = bytes();
        LocalScenario.requireMemoryForGpuFleet(
                2, bytes, gpus.size(), options.hosts(), "a smaller --model or fewer --gpus");
        long needed = bytes * (options.shadow() ? 2 : 1) + options.slotMemoryBytes() + DEVICE_OVERHEAD_BYTES;
        for (CudaGpu gpu : gpus) {
            if (gpu.totalBytes() < needed) {
                throw new ScenarioFailedException(NAME + " takes about " + ByteSize.format(needed)
                        + " of every GPU's memory and " + gpu.name() + " " + gpu.uuid() + " has "
                        + ByteSize.format(gpu.totalBytes()) + "; try a smaller --model, or --mode in-place");
            }
        }
    }

    private long bytes() {
        if (options.checkpoint() != null) {
            try (CheckpointFiles files = CheckpointFiles.open(options.checkpoint())) {
                return files.layout().bytes();
            }
        }
        return ModelCatalog.tensors(options.model()).stream()
                .mapToLong(ModelTensor::bytes)
                .sum();
    }

    private CheckpointPair make(LocalRun place) throws IOException, InterruptedException {
        String step = "making two versions of " + options.model();
        progress.step(step);
        CheckpointPair.Watcher watcher = (written, total) -> progress.advance(step, written, total);
        return options.checkpoint() == null
                ? CheckpointPair.make(place, ModelCatalog.tensors(options.model()), watcher)
                : CheckpointPair.inLikenessOf(place, options.checkpoint(), watcher);
    }

    private Overlapped overlapped(CheckpointPair checkpoints, DeviceMemory memory, Path traces)
            throws InterruptedException, IOException {
        Map<String, String> settings = new HashMap<>();
        // Else the slots would be there before anything can be compared.
        settings.put("inflight.worker.warm-slots", "off");
        if (options.trace() != null) {
            Files.createDirectories(traces);
            settings.put("inflight.worker.trace-dir", traces.toString());
        }
        return inFleet(checkpoints, settings, scenario -> {
            List<PublishResult> publishes = publish(scenario);
            List<Long> before = memory.freeBytes();
            GpuModeBench bench = new GpuModeBench(scenario);
            Map<String, Mode> modes = new LinkedHashMap<>();
            for (String mode : options.modes()) {
                try {
                    modes.put(mode, mode(mode, scenario, bench, memory, before));
                } catch (RuntimeException e) {
                    problem(mode, e, scenario);
                }
            }
            return new Overlapped(publishes, modes);
        });
    }

    private Mode mode(String mode, LocalScenario scenario, GpuModeBench bench, DeviceMemory memory, List<Long> before)
            throws InterruptedException {
        scenario.fleet().requireAllAlive();
        long peak = bench.warmUp(mode, memory, before);
        GpuModeBench.Timed timed = bench.measure(mode, options.runs());
        progress.step(String.format(Locale.ROOT, "%s: median %.4f s", mode, timed.medianSeconds()));
        GpuModeReport.Repeat repeat = null;
        boolean verified = false;
        try {
            if (options.repeat() > 0) {
                repeat = bench.repeat(mode, options.repeat(), memory);
            }
            verified = scenario.verify();
        } catch (RuntimeException e) {
            // What was measured before stays worth telling.
            problem(mode, e, scenario);
        }
        return new Mode(timed, peak, repeat, verified);
    }

    /** Medians by mode, of the modes that were measured overlapped. */
    private Map<String, Double> serial(CheckpointPair checkpoints, Map<String, Mode> measured)
            throws InterruptedException {
        Map<String, Double> seconds = new HashMap<>();
        if (measured.isEmpty()) {
            return seconds;
        }
        try {
            inFleet(checkpoints, Map.of("inflight.coordinator.update.max-slots", "1"), scenario -> {
                publish(scenario);
                GpuModeBench bench = new GpuModeBench(scenario);
                for (String mode : measured.keySet()) {
                    bench.warmUp(mode);
                    seconds.put(mode, bench.measure(mode, options.runs()).medianSeconds());
                }
                return seconds;
            });
        } catch (RuntimeException e) {
            problems.add("with one slot: " + message(e));
        }
        return seconds;
    }

    private <T> T inFleet(CheckpointPair checkpoints, Map<String, String> settings, LocalScenario.Body<T> body)
            throws InterruptedException {
        return LocalScenario.run(
                options.fleet(gpus.stream().map(CudaGpu::uuid).toList(), checkpoints.first(), settings),
                checkpoints,
                options.modes().getFirst(),
                installation,
                progress,
                body);
    }

    private static List<PublishResult> publish(LocalScenario scenario) throws InterruptedException {
        return List.of(scenario.publish(LocalScenario.V1), scenario.publish(LocalScenario.V2));
    }

    /** The fastest update of each mode; with several modes the file's name tells which. */
    private void keepTraces(Overlapped overlapped, Path traces) {
        Path trace = options.trace();
        if (trace == null) {
            return;
        }
        for (Map.Entry<String, Mode> mode : overlapped.modes().entrySet()) {
            long epoch = mode.getValue().timed().fastest().result().epoch();
            Path target =
                    trace.resolve(options.modes().size() == 1 ? "update.json" : "update-" + mode.getKey() + ".json");
            try {
                if (TraceMerge.merge(traces, epoch, target) == 0) {
                    problems.add("the workers wrote no trace of update " + epoch);
                }
            } catch (IOException e) {
                problems.add("no " + target + ": " + e.getMessage());
            }
        }
    }

    private void problem(String mode, RuntimeException error, LocalScenario scenario) {
        problems.add(mode + ": " + message(error) + " (logs: " + scenario.keepLogs() + ")");
    }

    private static String message(RuntimeException error) {
        return Objects.requireNonNullElse(error.getMessage(), error.toString());
    }

    private GpuBenchReport report(
            H2dCeiling ceiling,
            CheckpointPair checkpoints,
            double makeSeconds,
            Overlapped overlapped,
            Map<String, Double> serialSeconds) {
        double ceilingSeconds = checkpoints.bytes() / (ceiling.sum() * 1e9);
        Map<String, GpuModeReport> modes = new LinkedHashMap<>();
        overlapped.modes().forEach((name, mode) -> {
            Double serial = serialSeconds.get(name);
            modes.put(name, report(name, mode, ceilingSeconds, serial == null ? Double.NaN : serial));
        });
        boolean one = options.modes().size() == 1;
        return new GpuBenchReport(
                "gpu",
                options.model(),
                gpus.stream().map(CudaGpu::name).toList(),
                options.hosts(),
                VisibleGpus.driver(),
                Machine.processors(),
                Machine.cpuModel(),
                checkpoints.bytes(),
                checkpoints.tensors(),
                options.runs(),
                ceiling.each().stream().map(rate -> measured(rate)).toList(),
                measured(ceiling.sum()),
                measured(ceilingSeconds),
                measured(makeSeconds),
                measured(overlapped.publishes().stream()
                        .mapToDouble(PublishResult::seconds)
                        .max()
                        .orElse(0)),
                measured(overlapped.publishes().stream()
                        .mapToDouble(PublishResult::registerSeconds)
                        .max()
                        .orElse(0)),
                one ? modes.get(options.modes().getFirst()) : null,
                one ? null : modes,
                List.copyOf(problems));
    }

    /** @param serial NaN if it is not known */
    private static GpuModeReport report(String name, Mode mode, double ceilingSeconds, double serial) {
        GpuModeBench.Timed timed = mode.timed();
        double median = timed.medianSeconds();
        UpdateResult typical = timed.typical().result();
        return new GpuModeReport(
                name,
                measured(median),
                measured(timed.fastest().result().seconds()),
                measured(timed.slowest().result().seconds()),
                measured(timed.medianClientSeconds()),
                measured(ceilingSeconds / median),
                Double.isNaN(serial) ? null : measured(serial),
                Double.isNaN(serial) ? null : measured(serial / median),
                measured(mode.peakBytes() / MIB),
                typical.slots(),
                typical.exchange(),
                typical.stages(),
                measured(timed.medianStallMs()),
                mode.verified(),
                mode.repeat());
    }
}
