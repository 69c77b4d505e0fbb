package dev.inflight.coordinator.publish;

import java.util.List;

/**
 * How a publish ended, as the HTTP API shows it.
 *
 * @param touchSeconds time to make fresh host memory present, on the host that took longest; 0 if memory was reused
 * @param registerSeconds time to register the memory with GPUs, on the host that took longest; 0 without GPUs
 */
record PublishResult(
        String model,
        String version,
        String digest,
        long bytes,
        long tensors,
        double seconds,
        boolean inPlace,
        double touchSeconds,
        double registerSeconds,
        List<String> hosts) {}
