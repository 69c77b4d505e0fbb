package dev.inflight.coordinator.verify;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How a verification ended, as the HTTP API shows it.
 *
 * @param version what all engines serve; null if not all the same
 */
record VerifyResult(boolean verified, @Nullable String version, List<EngineResult> engines) {
    /**
     * @param mismatched the first tensors that differ
     * @param error why the comparison could not be made, if so
     * @param files the checkpoint's files that those tensors are in
     */
    record EngineResult(
            @Nullable String engine,
            String worker,
            @Nullable String version,
            long tensors,
            long mismatches,
            List<String> mismatched,
            @Nullable String error,
            List<String> files) {
        boolean verified() {
            return error == null && mismatches == 0;
        }
    }
}
