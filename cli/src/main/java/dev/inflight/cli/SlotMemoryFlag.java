package dev.inflight.cli;

import dev.inflight.cli.console.ByteSize;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** How much of a GPU a local fleet's slots may take. */
@SuppressWarnings("NullAway.Init")
final class SlotMemoryFlag {
    private static final long LEAST_BYTES = 1 << 20;

    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

    @Option(
            names = "--slot-memory",
            paramLabel = "SIZE",
            defaultValue = "768MiB",
            description =
                    "Most memory of each GPU that one slot ring takes; the default holds three of the largest slots"
                            + " (default: ${DEFAULT-VALUE}).")
    private String size;

    long bytes() {
        long bytes;
        try {
            bytes = ByteSize.parse(size);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(command.commandLine(), "--slot-memory " + e.getMessage());
        }
        if (bytes < LEAST_BYTES) {
            throw new ParameterException(command.commandLine(), "--slot-memory " + size + " is below 1MiB");
        }
        return bytes;
    }
}
