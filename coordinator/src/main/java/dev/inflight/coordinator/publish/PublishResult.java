package dev.inflight.coordinator.publish;

import java.util.List;

/** How a publish ended, as the HTTP API shows it. */
record PublishResult(
        String model,
        String version,
        String digest,
        long bytes,
        long tensors,
        double seconds,
        boolean inPlace,
        List<String> hosts) {}
