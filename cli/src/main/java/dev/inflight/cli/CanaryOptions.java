package dev.inflight.cli;

import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options that make an update a canary. */
@SuppressWarnings("NullAway.Init")
final class CanaryOptions {
    private static final String COMMAND = "command:";
    private static final Pattern TIME = Pattern.compile("([0-9]{1,9})(ms|s|m|h)");

    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

    @Option(
            names = "--canary",
            paramLabel = "N|P%",
            description =
                    "So many engines, or so many percent of them, get it first. The others follow if all goes well;"
                            + " else these go back.")
    private @Nullable String canary;

    @Option(
            names = "--hold",
            paramLabel = "TIME",
            description = "How long they are watched, e.g. 30s or 10m (default: until promote or revert).")
    private @Nullable String hold;

    @Option(
            names = "--check",
            paramLabel = "CHECK",
            description =
                    "What is asked meanwhile: http://HOST/PATH, which must answer 2xx; metric:URL#NAME<1 (or <=, >,"
                            + " >=), which must be so; or command:COMMAND, which must succeed and is run here, by sh. The"
                            + " coordinator asks only hosts in inflight.coordinator.canary.check-hosts.")
    private @Nullable String check;

    @Nullable
    String canary() {
        require(canary != null || hold == null, "--hold is for updates with --canary");
        require(canary != null || check == null, "--check is for updates with --canary");
        return canary;
    }

    @Nullable
    Double holdSeconds() {
        Duration time = hold();
        return time == null ? null : time.toMillis() / 1e3;
    }

    @Nullable
    Duration hold() {
        if (hold == null) {
            return null;
        }
        Matcher matcher = TIME.matcher(hold);
        require(matcher.matches(), "--hold " + hold + " is not like 500ms, 30s, 10m or 1h");
        long count = Long.parseLong(matcher.group(1));
        return switch (matcher.group(2)) {
            case "ms" -> Duration.ofMillis(count);
            case "s" -> Duration.ofSeconds(count);
            case "m" -> Duration.ofMinutes(count);
            default -> Duration.ofHours(count);
        };
    }

    /** What the coordinator is told. */
    @Nullable
    String check() {
        return shellCommand() == null ? check : "client";
    }

    /** What is run here; null if the coordinator checks, or nobody. */
    @Nullable
    String shellCommand() {
        if (check == null || !check.startsWith(COMMAND)) {
            return null;
        }
        require(hold != null, "--check " + COMMAND + "… needs --hold: the end of it is when the others follow");
        return check.substring(COMMAND.length());
    }

    private void require(boolean right, String otherwise) {
        if (!right) {
            throw new ParameterException(command.commandLine(), otherwise);
        }
    }
}
