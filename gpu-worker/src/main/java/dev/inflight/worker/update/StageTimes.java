package dev.inflight.worker.update;

import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;

/** How long each stage of one update was busy. Thread-safe. */
final class StageTimes {
    final LongAdder h2dNanos = new LongAdder();
    final LongAdder verifyNanos = new LongAdder();
    final LongAdder transferNanos = new LongAdder();
    final LongAdder reloadNanos = new LongAdder();
    final LongAdder loadedBytes = new LongAdder();
    final LongAdder landedBytes = new LongAdder();

    StageReport report(long streamNanos) {
        return new StageReport(
                micros(h2dNanos.sum()),
                micros(verifyNanos.sum()),
                micros(transferNanos.sum()),
                micros(reloadNanos.sum()),
                micros(streamNanos),
                loadedBytes.sum(),
                landedBytes.sum());
    }

    private static long micros(long nanos) {
        return TimeUnit.NANOSECONDS.toMicros(nanos);
    }
}
