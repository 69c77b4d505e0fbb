package dev.inflight.cli;

import dev.inflight.cli.client.CanaryDecision;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Which canary is meant, and why it is decided about. */
@SuppressWarnings("NullAway.Init")
final class CanaryOption {
    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

    @Parameters(
            paramLabel = "OPERATION",
            arity = "0..1",
            description = "The canary, as update and history name it (default: the one of --model that runs).")
    private @Nullable String operation;

    @Option(names = "--model", paramLabel = "NAME", description = "The model whose canary is meant.")
    private @Nullable String model;

    @Option(names = "--reason", paramLabel = "TEXT", description = "Why, for the history.")
    private @Nullable String reason;

    CanaryDecision decision() {
        if ((operation == null) == (model == null)) {
            throw new ParameterException(command.commandLine(), "give the OPERATION or --model, and not both");
        }
        return new CanaryDecision(operation, model, "operator", reason);
    }
}
