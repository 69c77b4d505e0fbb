package dev.inflight.cli;

import dev.inflight.cli.client.CanaryResult;
import dev.inflight.cli.client.Operation;
import dev.inflight.cli.console.Table;
import java.util.Locale;
import java.util.Objects;

/** How a canary ended, for people. */
final class CanaryText {
    private CanaryText() {}

    static String of(Operation operation) {
        CanaryResult result = operation.as(CanaryResult.class);
        Table engines = new Table().row("ENGINE", "WORKER", "OUTCOME", "STALL");
        for (CanaryResult.Engine engine : result.engines()) {
            engines.row(
                    Objects.requireNonNullElse(engine.engine(), "-"),
                    engine.worker(),
                    engine.outcome(),
                    engine.stallMs() == null ? "-" : String.format(Locale.ROOT, "%.1f ms", engine.stallMs()));
        }
        String headline = String.format(
                Locale.ROOT,
                "%s %s: %s -> %s, canary of %s, %.3f s%s%s",
                result.outcome(),
                result.model(),
                result.from(),
                result.to(),
                result.share(),
                result.seconds(),
                seconds(", held for %.3f s", result.holdSeconds()),
                seconds(", rolled back in %.3f s", result.rollbackSeconds()));
        String by = result.detectedBy() == null ? "" : System.lineSeparator() + "decided by: " + result.detectedBy();
        String reason = result.reason() == null ? "" : System.lineSeparator() + "reason: " + result.reason();
        return headline + by + reason + System.lineSeparator() + engines;
    }

    private static String seconds(String form, @org.jspecify.annotations.Nullable Double seconds) {
        return seconds == null ? "" : String.format(Locale.ROOT, form, seconds);
    }
}
