package dev.inflight.cli.demo;

import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What a local scenario runs with.
 *
 * @param engine what the engines are
 * @param mode {@code in-place} or {@code shadow}
 * @param workers worker hosts, each with one engine
 * @param bytes size of the made-up checkpoint; not used with {@code checkpoint}
 * @param checkpoint a real checkpoint to update to, or null to make one up
 */
public record ScenarioOptions(
        EngineKind engine,
        String mode,
        int workers,
        long bytes,
        @Nullable Path checkpoint) {
    private static final long SMALLEST = 1 << 20;

    public ScenarioOptions {
        if (bytes < SMALLEST) {
            throw new IllegalArgumentException("--size of " + bytes + " bytes is below 1MiB");
        }
    }

    Optional<Path> source() {
        return Optional.ofNullable(checkpoint);
    }
}
