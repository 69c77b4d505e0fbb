package dev.inflight.cli.demo;

import dev.inflight.cli.demo.DemoReport.Requests;
import org.jspecify.annotations.Nullable;

/**
 * Outcome of a scenario in which some engines try a bad version and go back by themselves.
 *
 * @param engine {@code reference}
 * @param mode of the canary's updates
 * @param workers GPU workers, each with one engine
 * @param bytes size of the checkpoint
 * @param tensors number of tensors
 * @param canaries engines that tried it
 * @param outcome {@code reverted} if all went as it should
 * @param detectedBy what noticed
 * @param reason in words
 * @param detectSeconds from all canaries serving it to the decision
 * @param rollbackSeconds duration of the rollback
 * @param stallMs the longest time an engine could not serve in the rollback
 * @param requests of the clients from before the canary to after its end
 * @param verified whether every engine serves v1 afterwards and its live tensors equal the manifest
 */
public record CanaryReport(
        String scenario,
        String engine,
        String mode,
        int workers,
        long bytes,
        int tensors,
        int canaries,
        String outcome,
        @Nullable String detectedBy,
        @Nullable String reason,
        @Nullable Double detectSeconds,
        @Nullable Double rollbackSeconds,
        @Nullable Double stallMs,
        Requests requests,
        boolean verified)
        implements ScenarioReport {
    @Override
    public boolean passed() {
        return ScenarioReport.super.passed() && outcome.equals("reverted") && "http".equals(detectedBy);
    }
}
