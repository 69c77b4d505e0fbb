package dev.inflight.cli;

import dev.inflight.cli.client.Origin;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The options that say who asks for an operation. */
@SuppressWarnings("NullAway.Init")
final class OriginOptions {
    @Option(
            names = "--idempotency-key",
            paramLabel = "KEY",
            description =
                    "Repeated with the same key, the same command means the same operation: nothing is done twice.")
    private @Nullable String key;

    @Mixin
    private RequesterOption requester;

    Origin origin() {
        return new Origin(requester.name(), key);
    }
}
