package dev.inflight.cli;

import java.util.Arrays;
import picocli.CommandLine;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.ParameterException;

/** A wrong command line: one line that says what is wrong and where the right form is found. */
final class UsageErrors implements IParameterExceptionHandler {
    /** No command where one is needed: shows which there are. */
    static int missingCommand(CommandLine command) {
        command.usage(command.getErr());
        command.getErr().flush();
        return ExitCode.USAGE;
    }

    @Override
    public int handleParseException(ParameterException error, String[] arguments) {
        CommandLine command = error.getCommandLine();
        String message =
                error.getMessage() + " (see `" + command.getCommandSpec().qualifiedName() + " --help`)";
        ErrorLine.print(command, message, Arrays.asList(arguments).contains("--json"));
        return ExitCode.USAGE;
    }
}
