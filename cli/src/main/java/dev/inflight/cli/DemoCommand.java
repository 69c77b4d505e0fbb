package dev.inflight.cli;

import dev.inflight.cli.bench.Ceiling;
import dev.inflight.cli.console.ByteSize;
import dev.inflight.cli.console.Progress;
import dev.inflight.cli.console.Table;
import dev.inflight.cli.demo.CheckpointPlace;
import dev.inflight.cli.demo.DemoReport;
import dev.inflight.cli.demo.FleetDevice;
import dev.inflight.cli.demo.Installation;
import dev.inflight.cli.demo.ScenarioOptions;
import dev.inflight.cli.demo.UpdateScenario;
import dev.inflight.cli.load.LoadReport;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
        name = "demo",
        description =
                "Start a whole fleet on this machine, update its engines under load, verify, and stop everything.")
@SuppressWarnings("NullAway.Init")
final class DemoCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Mixin
    private ScenarioFlags flags;

    @Mixin
    private Answer answer;

    @Option(
            names = "--scenario",
            paramLabel = "NAME",
            defaultValue = "update",
            description = "update: from v1 to v2 while clients keep asking (default: ${DEFAULT-VALUE}).")
    private String scenario;

    @Override
    public Integer call() throws InterruptedException {
        if (!scenario.equals("update")) {
            throw new ParameterException(spec.commandLine(), "--scenario " + scenario + " is none of update");
        }
        try (Progress progress = answer.progress()) {
            ScenarioOptions options = flags.options(CheckpointPlace.SHM);
            UpdateScenario.Outcome outcome = UpdateScenario.run(options, Installation.current(), progress);
            answer.print(outcome.report(), text(outcome.report(), outcome.load(), options.device()));
            if (outcome.load().firstProblem() != null) {
                spec.commandLine()
                        .getErr()
                        .println("first bad request: " + outcome.load().firstProblem());
            }
            return outcome.report().passed() ? ExitCode.OK : ExitCode.FAILED;
        }
    }

    private static String text(DemoReport report, LoadReport load, FleetDevice device) {
        return new Table()
                .row(
                        "update",
                        "v1 -> v2, " + report.mode() + ", " + report.workers() + " " + report.engine() + " engines"
                                + (report.tp() == null ? "" : " in groups of " + report.tp()) + ", by "
                                + report.exchange())
                .row("checkpoint", ByteSize.format(report.bytes()) + " in " + report.tensors() + " tensors")
                .row("duration", format("%.3f s", report.seconds()))
                .row(
                        "delivered",
                        format("%.2f GB/s, ", report.deliveredGBps())
                                + Ceiling.format(report.ratio(), report.ceilingGBps(), device))
                .row("stall", format("%.1f ms", report.stallMs()))
                .row(
                        "requests",
                        load.sent() + " sent, " + load.failed() + " failed, " + load.mixed() + " mixed; "
                                + format("p50 %.1f ms, ", load.p50Ms())
                                + format("p99 %.1f ms, ", load.p99Ms())
                                + format("longest gap %.1f ms", load.longestGapMs()))
                .row("verified", report.verified() ? "every tensor of every engine, bit by bit" : "NO")
                .toString();
    }

    private static String format(String form, double value) {
        return String.format(Locale.ROOT, form, value);
    }
}
