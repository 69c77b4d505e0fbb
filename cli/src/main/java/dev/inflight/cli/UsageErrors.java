package dev.inflight.cli;

import java.util.Arrays;
import picocli.CommandLine;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.ParameterException;

/** A wrong command line: one line that says what is wrong and where the right form is found. */
final class UsageErrors implements IParameterExceptionHandler {
    @Override
    public int handleParseException(ParameterException error, String[] arguments) {
        CommandLine command = error.getCommandLine();
        String message =
                error.getMessage() + " (see `" + command.getCommandSpec().qualifiedName() + " --help`)";
        ErrorLine.print(command, message, Arrays.asList(arguments).contains("--json"));
        return ExitCode.USAGE;
    }
}
