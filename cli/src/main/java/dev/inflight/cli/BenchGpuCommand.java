package dev.inflight.cli;

import dev.inflight.cli.bench.GpuBench;
import dev.inflight.cli.bench.GpuBenchOptions;
import dev.inflight.cli.bench.GpuBenchReport;
import dev.inflight.cli.bench.GpuJoinReport;
import dev.inflight.cli.bench.GpuModeReport;
import dev.inflight.cli.client.UpdateResult;
import dev.inflight.cli.console.ByteSize;
import dev.inflight.cli.console.Progress;
import dev.inflight.cli.console.Table;
import dev.inflight.cli.demo.Installation;
import dev.inflight.cli.model.ModelCatalog;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
        name = "gpu",
        description = {
            "Update torch engines on this machine's GPUs back and forth and compare with what the host link can carry,"
                    + " and with the same update through a single slot.",
            "",
            "Both versions of the model are made up, in /dev/shm if they fit there. The update's duration is the"
                    + " coordinator's own, from accepting the request to the last commit (\"seconds\"); \"clientSeconds\""
                    + " has HTTP and polling in it. \"ceilingSeconds\" is the checkpoint's bytes over what all GPUs"
                    + " together get from registered host memory (\"h2dSumGBps\"), measured before the fleet starts;"
                    + " \"ratio\" is ceilingSeconds / seconds.",
            "",
            "The engines run on the Python that INFLIGHT_PYTHON names, e.g. python3; it must have torch with CUDA.",
            ""
        })
@SuppressWarnings("NullAway.Init")
final class BenchGpuCommand implements Callable<Integer> {
    private static final int MOST_GPUS = 64;
    private static final List<String> EXCHANGES = List.of("auto", "transfers", "nccl");

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--model",
            paramLabel = "MODEL",
            defaultValue = "qwen3-8b",
            description =
                    "A model of the catalog (see bench plan), or a safetensors checkpoint, which becomes the second"
                            + " version beside a made-up first one (default: ${DEFAULT-VALUE}).")
    private String model;

    @Option(
            names = "--gpus",
            paramLabel = "N",
            description = "GPUs to use, each with one worker and one engine (default: all that CUDA shows).")
    private @Nullable Integer gpus;

    @Option(
            names = "--tp",
            paramLabel = "N",
            defaultValue = "1",
            description = "Engines in groups of N that share the model's projections (default: ${DEFAULT-VALUE}).")
    private int tp;

    @Option(
            names = "--mode",
            paramLabel = "MODE",
            defaultValue = "both",
            description = "in-place, shadow or both; shadow takes two versions' memory on every GPU"
                    + " (default: ${DEFAULT-VALUE}).")
    private String mode;

    @Option(
            names = "--hosts",
            paramLabel = "N",
            defaultValue = "1",
            description = "Worker hosts that the workers are spread over (default: ${DEFAULT-VALUE}).")
    private int hosts;

    @Option(
            names = "--exchange",
            paramLabel = "EXCHANGE",
            defaultValue = "auto",
            description = "How buckets come from worker to worker: transfers (copies within a host, TCP between hosts),"
                    + " nccl, or auto, which is nccl between hosts where it is possible (default: ${DEFAULT-VALUE}).")
    private String exchange;

    @Option(
            names = "--runs",
            paramLabel = "N",
            defaultValue = "5",
            description = "Measured updates of each mode (default: ${DEFAULT-VALUE}).")
    private int runs;

    @Option(
            names = "--warm-ups",
            paramLabel = "N",
            defaultValue = "40",
            description = "Updates of each mode before the measured ones, at least 2: the first map slots, and the JVMs"
                    + " compile for about forty (default: ${DEFAULT-VALUE}).")
    private int warmUps;

    @Mixin
    private SlotMemoryFlag slotMemory;

    @Option(
            names = "--repeat",
            paramLabel = "N",
            defaultValue = "50",
            description = "Updates of each mode in a row after the measured ones; told is what of memory, shared memory"
                    + " and file descriptors they left taken, 0 for none (default: ${DEFAULT-VALUE}).")
    private int repeat;

    @Option(
            names = "--joins",
            paramLabel = "N",
            defaultValue = "0",
            description = "After the updates, kill the last GPU's engine and start it anew N times; told is how long it"
                    + " takes until it has the weights again, beside what host memory gives to that GPU alone"
                    + " (default: ${DEFAULT-VALUE}).")
    private int joins;

    @Option(
            names = "--trace",
            paramLabel = "DIR",
            description = "Write the timeline of the fastest update to DIR/update.json, with both modes to"
                    + " DIR/update-MODE.json; ui.perfetto.dev shows it.")
    private @Nullable Path trace;

    @Mixin
    private Answer answer;

    @Override
    public Integer call() throws InterruptedException {
        GpuBenchOptions options = options();
        try (Progress progress = answer.progress()) {
            GpuBenchReport report = GpuBench.run(options, Installation.current(), progress);
            answer.print(report, text(report));
            report.problems().forEach(problem -> spec.commandLine().getErr().println("inflight: " + problem));
            return report.passed() ? ExitCode.OK : ExitCode.FAILED;
        }
    }

    private GpuBenchOptions options() {
        requireAtLeast("--runs", runs, 1);
        requireAtLeast("--tp", tp, 1);
        requireAtLeast("--repeat", repeat, 0);
        // One to each version.
        requireAtLeast("--warm-ups", warmUps, 2);
        requireAtLeast("--joins", joins, 0);
        if (gpus != null && (gpus < 1 || gpus > MOST_GPUS)) {
            throw wrong("--gpus " + gpus + " is outside 1 to " + MOST_GPUS);
        }
        requireAtLeast("--hosts", hosts, 1);
        if (!EXCHANGES.contains(exchange)) {
            throw wrong("--exchange " + exchange + " is none of " + String.join(", ", EXCHANGES));
        }
        return new GpuBenchOptions(
                model,
                checkpoint(),
                Objects.requireNonNullElse(gpus, 0),
                tp,
                modes(),
                hosts,
                exchange,
                warmUps,
                runs,
                slotMemory.bytes(),
                repeat,
                joins,
                trace == null ? null : trace.toAbsolutePath());
    }

    private List<String> modes() {
        return switch (mode) {
            case "in-place", "shadow" -> List.of(mode);
            case "both" -> List.of("in-place", "shadow");
            default -> throw wrong("--mode " + mode + " is none of in-place, shadow, both");
        };
    }

    private @Nullable Path checkpoint() {
        if (ModelCatalog.names().contains(model)) {
            return null;
        }
        Path path = Path.of(model);
        if (!Files.exists(path)) {
            throw wrong("--model " + model + " is neither a checkpoint nor one of "
                    + String.join(", ", ModelCatalog.names()));
        }
        return path.toAbsolutePath();
    }

    private void requireAtLeast(String option, int value, int least) {
        if (value < least) {
            throw wrong(option + " " + value + " is below " + least);
        }
    }

    private ParameterException wrong(String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    static String text(GpuBenchReport report) {
        Table table = new Table()
                .row(
                        "model",
                        report.model() + ", " + ByteSize.format(report.bytes()) + " in " + report.tensors()
                                + " tensors")
                .row(
                        "GPUs",
                        report.gpus().size() + " x " + report.gpus().getFirst() + ", driver " + report.driver() + ", "
                                + report.hosts() + (report.hosts() == 1 ? " worker host" : " worker hosts")
                                + (report.tp() == null ? "" : ", engines in groups of " + report.tp()))
                .row(
                        "host to device",
                        format("%.1f GB/s all together, ", report.h2dSumGBps()) + report.h2dGBps() + " alone")
                .row("ceiling", format("%.3f s", report.ceilingSeconds()))
                .row(
                        "checkpoints",
                        format("made in %.1f s, ", report.checkpointSeconds())
                                + format("published in %.2f s, ", report.publishSeconds())
                                + format("of which memory touched in %.2f s ", report.touchSeconds())
                                + format("and registered in %.2f s", report.registerSeconds()));
        report.results().forEach(result -> rows(table, report.runs(), result));
        GpuJoinReport join = report.join();
        if (join != null) {
            table.row(
                            "join",
                            "median of " + join.runs() + format(": %.4f s", join.seconds())
                                    + format(" (%.4f to ", join.fastestSeconds())
                                    + format("%.4f)", join.slowestSeconds())
                                    + format(", %.3f s from the engine's being up", join.fromUpSeconds()))
                    .row(
                            "",
                            format("%.3f of the ", join.ratio())
                                    + format("%.1f GB/s to one GPU alone; ", join.h2dGBps())
                                    + (join.verified() ? "verified" : "NOT verified"));
        }
        return table.toString();
    }

    private static void rows(Table table, int runs, GpuModeReport result) {
        Double serial = result.serialSeconds();
        Double speedup = result.speedup();
        table.row(
                        result.mode(),
                        "median of " + runs + format(": %.4f s", result.seconds())
                                + format(" (%.4f to ", result.fastestSeconds())
                                + format("%.4f)", result.slowestSeconds())
                                + format(", %.4f s with HTTP", result.clientSeconds()))
                .row(
                        "",
                        format("%.3f of the ceiling", result.ratio())
                                + (serial == null || speedup == null
                                        ? ""
                                        : format("; one slot %.4f s, ", serial)
                                                + format("%.2f times as long", speedup)))
                .row(
                        "",
                        format("stall %.2f ms; ", result.stallMs())
                                + format("%.0f MiB more device memory at most; ", result.peakExtraDeviceMiB())
                                + (result.verified() ? "verified" : "NOT verified"));
        UpdateResult.ExchangeUse exchange = result.exchange();
        if (exchange != null) {
            table.row("", "exchanged by " + exchange.name() + ": " + exchange.reason());
        }
        GpuModeReport.Repeat repeat = result.repeat();
        if (repeat != null) {
            table.row("", repeat.updates() + format(" more: median %.4f s", repeat.seconds()))
                    .row("", "before: " + repeat.before())
                    .row("", "after:  " + repeat.after());
        }
    }

    private static String format(String form, double value) {
        return String.format(Locale.ROOT, form, value);
    }
}
