package dev.inflight.cli;

import dev.inflight.cli.client.UpdateRequest;
import dev.inflight.cli.console.TimeSpan;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options that let an update wait for its turn. */
@SuppressWarnings("NullAway.Init")
final class WaitOptions {
    @Spec(Spec.Target.MIXEE)
    private CommandSpec spec;

    @Option(
            names = "--wait",
            description = "Wait for its turn where another operation or a limit stands in the way, rather than being"
                    + " refused. It goes on waiting if this command ends; `inflight cancel` calls it off.")
    private boolean waits;

    @Option(
            names = "--wait-timeout",
            paramLabel = "TIME",
            description = "Longest wait, e.g. 90s, 10m, 1h (default: as long as the coordinator lets updates wait).")
    private @Nullable String timeout;

    UpdateRequest apply(UpdateRequest request) {
        if (timeout != null && !waits) {
            throw new ParameterException(spec.commandLine(), "--wait-timeout: is for updates that wait; add --wait");
        }
        return waits ? request.waiting(longest()) : request;
    }

    private @Nullable Duration longest() {
        if (timeout == null) {
            return null;
        }
        Duration longest = TimeSpan.parse(timeout);
        if (longest == null) {
            throw new ParameterException(
                    spec.commandLine(), "--wait-timeout " + timeout + " is not like 90s, 10m or 1h");
        }
        return longest;
    }
}
