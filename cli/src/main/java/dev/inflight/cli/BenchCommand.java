package dev.inflight.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
        name = "bench",
        description = "Measure updates and plans on this machine.",
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {BenchUpdateCommand.class, BenchPlanCommand.class})
@SuppressWarnings("NullAway.Init")
final class BenchCommand implements Runnable {
    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "what to measure is missing: update or plan");
    }
}
