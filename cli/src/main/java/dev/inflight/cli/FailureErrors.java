package dev.inflight.cli;

import dev.inflight.cli.client.CoordinatorRefusedException;
import dev.inflight.cli.client.CoordinatorUnreachableException;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import picocli.CommandLine;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.ParseResult;

/** A command that failed: its exit code and its one line. */
final class FailureErrors implements IExecutionExceptionHandler {
    private final BooleanSupplier stacktrace;

    FailureErrors(BooleanSupplier stacktrace) {
        this.stacktrace = stacktrace;
    }

    @Override
    public int handleExecutionException(Exception error, CommandLine command, ParseResult parsed) {
        if (stacktrace.getAsBoolean()) {
            error.printStackTrace(command.getErr());
        }
        ErrorLine.print(command, message(error), more(error), wantsJson(parsed));
        return switch (error) {
            case CoordinatorUnreachableException unreachable -> ExitCode.UNREACHABLE;
            case CoordinatorRefusedException refused -> ExitCode.REFUSED;
            case InterruptedException interrupted -> ExitCode.INTERRUPTED;
            default -> ExitCode.FAILED;
        };
    }

    /** What a refusal says for programs: the limit, and when to try again. */
    private static Map<String, String> more(Exception error) {
        Map<String, String> more = new TreeMap<>();
        if (error instanceof CoordinatorRefusedException refused) {
            if (refused.limit() != null) {
                more.put("limit", refused.limit());
            }
            if (refused.retryAt() != null) {
                more.put("retryAt", refused.retryAt());
            }
        }
        return more;
    }

    private static String message(Exception error) {
        return error instanceof InterruptedException
                ? "interrupted"
                : Objects.requireNonNullElse(error.getMessage(), error.toString());
    }

    private static boolean wantsJson(ParseResult parsed) {
        ParseResult innermost = parsed;
        while (innermost.hasSubcommand()) {
            innermost = innermost.subcommand();
        }
        return innermost.hasMatchedOption("--json");
    }
}
