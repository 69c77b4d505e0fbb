package dev.inflight.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** The {@code inflight} command. */
@Command(
        name = "inflight",
        description = "In-flight weight updates for running LLM inference engines.",
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {
            DemoCommand.class,
            NodeCommand.class,
            PublishCommand.class,
            UpdateCommand.class,
            PromoteCommand.class,
            RevertCommand.class,
            RollbackCommand.class,
            CancelCommand.class,
            StatusCommand.class,
            HistoryCommand.class,
            VerifyCommand.class,
            BenchCommand.class,
            DoctorCommand.class
        },
        usageHelpAutoWidth = true,
        scope = ScopeType.INHERIT,
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:done",
            "1:the operation failed, e.g. an update was aborted or a verification found a difference",
            "2:the command line is wrong",
            "3:no coordinator can be reached",
            "4:the coordinator refused, e.g. unknown version, another update is running, or a limit; it says until when",
            "130:interrupted, e.g. by Ctrl-C"
        },
        footerHeading = "%nEnvironment:%n",
        footer = {
            "  INFLIGHT_COORDINATOR  coordinator's address where --coordinator is not given",
            "  INFLIGHT_JAVA_HOME    JDK 25 or newer to run on",
            "  INFLIGHT_LOG_FORMAT   text or json: what log lines are, on standard error (default: text)",
            "  INFLIGHT_PYTHON       Python with torch for torch engines (default: python/.venv, built on first use)",
            "  INFLIGHT_JAVA_OPTS    more JVM options, e.g. -Xmx2g for a large worker host"
        })
public final class Inflight implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            scope = ScopeType.INHERIT,
            description = "Show this help and exit.")
    @SuppressWarnings("UnusedVariable")
    private boolean help;

    @Option(
            names = "--stacktrace",
            scope = ScopeType.INHERIT,
            description = "Also print where in the program an error came from.")
    private boolean stacktrace;

    /** Runs one command and ends the process with its exit code. */
    public static void main(String[] arguments) {
        System.exit(commandLine().execute(arguments));
    }

    /** The whole command tree with its error handling; standard output and error can be set on it. */
    public static CommandLine commandLine() {
        Inflight root = new Inflight();
        return new CommandLine(root)
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setParameterExceptionHandler(new UsageErrors())
                .setExecutionExceptionHandler(new FailureErrors(() -> root.stacktrace));
    }

    @Override
    public Integer call() {
        return UsageErrors.missingCommand(spec.commandLine());
    }
}
