package dev.inflight.cli.bench;

import static dev.inflight.cli.console.Rounding.measured;

import dev.inflight.cli.client.PublishResult;
import dev.inflight.cli.client.UpdateResult;
import dev.inflight.cli.console.ByteSize;
import dev.inflight.cli.console.Progress;
import dev.inflight.cli.demo.CheckpointPair;
import dev.inflight.cli.demo.EngineRestart;
import dev.inflight.cli.demo.FleetHost;
import dev.inflight.cli.demo.Installation;
import dev.inflight.cli.demo.LocalRun;
import dev.inflight.cli.demo.LocalScenario;
import dev.inflight.cli.demo.ScenarioFailedException;
import dev.inflight.cli.demo.TensorParallelGroups;
import dev.inflight.cli.gpu.DeviceMemory;
import dev.inflight.cli.gpu.H2dProbe;
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
        if (gpus.size() % options.tp() != 0) {
            throw new ScenarioFailedException(
                    NAME + ": " + gpus.size() + " GPUs are no multiple of --tp " + options.tp() + "; give --gpus");
        }
        return new GpuBench(options, installation, progress, gpus).measure();
    }

    /** What the fleet whose stages overlap showed. */
    private record Overlapped(
            List<PublishResult> publishes,
            Map<String, Mode> modes,
            @Nullable GpuJoinReport join) {}

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
        try (H2dProbe probe = H2dProbe.open(gpus);
                LocalRun place = LocalRun.begin()) {
            List<Double> each = probe.eachGBps();
            long begin = System.nanoTime();
            try (CheckpointPair checkpoints = make(place);
                    DeviceMemory memory = DeviceMemory.open(gpus)) {
                double makeSeconds = (System.nanoTime() - begin) / 1e9;
                Path traces = place.directory().path().resolve("traces");
                Overlapped overlapped = overlapped(checkpoints, memory, probe, traces);
                keepTraces(overlapped, traces);
                Map<String, Double> serialSeconds = serial(checkpoints, overlapped.modes(), probe);
                return report(each, checkpoints, makeSeconds, overlapped, serialSeconds);
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
        long needed =
                bytes * (options.shadow() ? 2 : 1) + options.slotMemoryBytes() + H2dProbe.BYTES + DEVICE_OVERHEAD_BYTES;
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

    private Overlapped overlapped(CheckpointPair checkpoints, DeviceMemory memory, H2dProbe probe, Path traces)
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
            GpuModeBench bench = new GpuModeBench(scenario, options.warmUps());
            Map<String, Mode> modes = new LinkedHashMap<>();
            for (String mode : options.modes()) {
                try {
                    modes.put(mode, mode(mode, scenario, bench, probe, memory, before));
                } catch (RuntimeException e) {
                    problem(mode, e, scenario);
                }
            }
            return new Overlapped(publishes, modes, join(scenario, bench.current(), probe));
        });
    }

    /** Joins of the last GPU's engine, whose host holds everything. */
    private @Nullable GpuJoinReport join(LocalScenario scenario, String version, H2dProbe probe)
            throws InterruptedException {
        if (options.joins() == 0) {
            return null;
        }
        progress.step("starting an engine anew, " + options.joins() + " times");
        try {
            FleetHost host = scenario.fleet().hosts().getLast();
            List<GpuJoinReport.Run> runs = new ArrayList<>();
            for (int i = 0; i < options.joins(); i++) {
                double ceiling = probe.aloneGBps(gpus.size() - 1);
                EngineRestart restart =
                        EngineRestart.of(scenario, host, host.engines().size() - 1, version);
                runs.add(new GpuJoinReport.Run(restart, ceiling));
            }
            return GpuJoinReport.of(runs, bytes(), scenario.verify());
        } catch (RuntimeException e) {
            problem("join", e, scenario);
            return null;
        }
    }

    private Mode mode(
            String mode,
            LocalScenario scenario,
            GpuModeBench bench,
            H2dProbe probe,
            DeviceMemory memory,
            List<Long> before)
            throws InterruptedException {
        scenario.fleet().requireAllAlive();
        long peak = bench.warmUp(mode, memory, before);
        GpuModeBench.Timed timed = bench.measure(mode, options.runs(), probe);
        progress.step(String.format(Locale.ROOT, "%s: median %.4f s", mode, timed.medianSeconds()));
        GpuModeReport.Repeat repeat = null;
        boolean verified = false;
        try {
            if (options.repeat() > 0) {
                repeat = bench.repeat(mode, options.repeat(), memory, probe);
            }
            verified = scenario.verify();
        } catch (RuntimeException e) {
            // What was measured before stays worth telling.
            problem(mode, e, scenario);
        }
        return new Mode(timed, peak, repeat, verified);
    }

    /** Medians by mode, of the modes that were measured overlapped. */
    private Map<String, Double> serial(CheckpointPair checkpoints, Map<String, Mode> measured, H2dProbe probe)
            throws InterruptedException {
        Map<String, Double> seconds = new HashMap<>();
        if (measured.isEmpty()) {
            return seconds;
        }
        try {
            inFleet(checkpoints, Map.of("inflight.coordinator.update.max-slots", "1"), scenario -> {
                publish(scenario);
                GpuModeBench bench = new GpuModeBench(scenario, options.warmUps());
                for (String mode : measured.keySet()) {
                    bench.warmUp(mode);
                    seconds.put(mode, bench.measure(mode, options.runs(), probe).medianSeconds());
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
        TensorParallelGroups groups =
                TensorParallelGroups.of(CheckpointPair.tensorsOf(checkpoints.first()), options.tp());
        return LocalScenario.run(
                options.fleet(gpus.stream().map(CudaGpu::uuid).toList(), checkpoints.first(), groups, settings),
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
            long epoch = mode.getValue().timed().fastest().epoch();
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
            List<Double> eachGBps,
            CheckpointPair checkpoints,
            double makeSeconds,
            Overlapped overlapped,
            Map<String, Double> serialSeconds) {
        double sumGBps = new GpuModeBench.Timed(overlapped.modes().values().stream()
                        .flatMap(mode -> mode.timed().runs().stream())
                        .toList())
                .medianH2dSumGBps();
        Map<String, GpuModeReport> modes = new LinkedHashMap<>();
        overlapped.modes().forEach((name, mode) -> {
            Double serial = serialSeconds.get(name);
            modes.put(name, report(name, mode, serial == null ? Double.NaN : serial));
        });
        boolean one = options.modes().size() == 1;
        return new GpuBenchReport(
                "gpu",
                options.model(),
                options.tp() == 1 ? null : options.tp(),
                gpus.stream().map(CudaGpu::name).toList(),
                options.hosts(),
                VisibleGpus.driver(),
                Machine.processors(),
                Machine.cpuModel(),
                checkpoints.bytes(),
                checkpoints.tensors(),
                options.runs(),
                eachGBps.stream().map(rate -> measured(rate)).toList(),
                measured(sumGBps),
                measured(checkpoints.bytes() / (sumGBps * 1e9)),
                measured(makeSeconds),
                measured(overlapped.publishes().stream()
                        .mapToDouble(PublishResult::seconds)
                        .max()
                        .orElse(0)),
                measured(overlapped.publishes().stream()
                        .mapToDouble(PublishResult::touchSeconds)
                        .max()
                        .orElse(0)),
                measured(overlapped.publishes().stream()
                        .mapToDouble(PublishResult::registerSeconds)
                        .max()
                        .orElse(0)),
                one ? modes.get(options.modes().getFirst()) : null,
                one ? null : modes,
                overlapped.join(),
                List.copyOf(problems));
    }

    /** @param serial NaN if it is not known */
    private static GpuModeReport report(String name, Mode mode, double serial) {
        GpuModeBench.Timed timed = mode.timed();
        double median = timed.medianSeconds();
        UpdateResult typical = timed.typical();
        return new GpuModeReport(
                name,
                measured(median),
                measured(timed.fastest().seconds()),
                measured(timed.slowest().seconds()),
                measured(timed.medianClientSeconds()),
                measured(timed.medianH2dSumGBps()),
                measured(timed.medianRatio()),
                Double.isNaN(serial) ? null : measured(serial),
                Double.isNaN(serial) ? null : measured(serial / median),
                measured(mode.peakBytes() / MIB),
                typical.slots(),
                typical.exchange(),
                typical.phases(),
                typical.stages(),
                measured(timed.medianStallMs()),
                mode.verified(),
                mode.repeat());
    }
}
