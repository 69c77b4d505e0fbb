package dev.inflight.cli;

import dev.inflight.cli.bench.Ceiling;
import dev.inflight.cli.bench.UpdateBench;
import dev.inflight.cli.bench.UpdateBenchReport;
import dev.inflight.cli.console.ByteSize;
import dev.inflight.cli.console.Progress;
import dev.inflight.cli.demo.CheckpointPlace;
import dev.inflight.cli.demo.FleetDevice;
import dev.inflight.cli.demo.Installation;
import dev.inflight.cli.demo.ScenarioOptions;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
        name = "update",
        description = {
            "Update a local fleet back and forth and compare with what the machine can copy.",
            "",
            "Its JSON also tells, of the median run, the slots every worker had (\"slots\": count, bytes of one,"
                    + " reason) and the busy time of each stage on the worker that was busy longest (\"stages\":"
                    + " h2dSeconds, verifySeconds, transferSeconds, reloadSeconds, streamSeconds), and which machine"
                    + " it was (\"processors\", \"machine\": the CPU's model).",
            ""
        })
@SuppressWarnings("NullAway.Init")
final class BenchUpdateCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Mixin
    private ScenarioFlags flags;

    @Mixin
    private Answer answer;

    @Option(
            names = "--runs",
            paramLabel = "N",
            defaultValue = "9",
            description = "Measured updates, after twenty that are not counted (default: ${DEFAULT-VALUE}).")
    private int runs;

    @Override
    public Integer call() throws InterruptedException {
        if (runs < 1) {
            throw new ParameterException(spec.commandLine(), "--runs " + runs + " is below 1");
        }
        try (Progress progress = answer.progress()) {
            ScenarioOptions options = flags.options(CheckpointPlace.DISK);
            UpdateBenchReport report = UpdateBench.run(options, runs, Installation.current(), progress);
            answer.print(report, text(report, options.device()));
            return report.verified() ? ExitCode.OK : ExitCode.FAILED;
        }
    }

    private static String text(UpdateBenchReport report, FleetDevice device) {
        return String.format(
                Locale.ROOT,
                "%s, %s x %d engines, median of %d: %.3f s (%.3f to %.3f), %.2f GB/s delivered, %s;"
                        + " stall %.1f ms; %s",
                report.mode(),
                ByteSize.format(report.bytes()),
                report.workers(),
                report.runs(),
                report.seconds(),
                report.fastestSeconds(),
                report.slowestSeconds(),
                report.deliveredGBps(),
                Ceiling.format(report.ratio(), report.ceilingGBps(), device),
                report.stallMs(),
                report.verified() ? "verified" : "NOT verified");
    }
}
