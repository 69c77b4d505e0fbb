package dev.inflight.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

@Command(
        name = "bench",
        description = "Measure updates, plans and digests on this machine.",
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {BenchUpdateCommand.class, BenchPlanCommand.class, BenchDigestCommand.class, BenchGpuCommand.class
        })
@SuppressWarnings("NullAway.Init")
final class BenchCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        return UsageErrors.missingCommand(spec.commandLine());
    }
}
