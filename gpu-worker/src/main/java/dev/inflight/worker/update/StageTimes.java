package dev.inflight.worker.update;

import dev.inflight.protocol.cluster.Taken;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.worker.store.DamageTally;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;

/** How long each stage of one update was busy. Thread-safe. */
final class StageTimes {
    private final Timeline timeline = new Timeline();
    final LongAdder h2dNanos = new LongAdder();
    final LongAdder verifyNanos = new LongAdder();
    final LongAdder transferNanos = new LongAdder();
    final LongAdder reloadNanos = new LongAdder();
    final LongAdder loadedBytes = new LongAdder();
    final LongAdder landedBytes = new LongAdder();
    final LongAdder receivedBytes = new LongAdder();
    final LongAdder resentBytes = new LongAdder();
    final Set<String> sources = new ConcurrentSkipListSet<>();
    final LongAdder castBytes = new LongAdder();
    final Set<String> castSources = new ConcurrentSkipListSet<>();
    final DamageLog damage;

    /** @param tally what this host found damaged */
    StageTimes(DamageTally tally) {
        damage = new DamageLog(tally);
    }

    Timeline timeline() {
        return timeline;
    }

    /** A bucket came to this worker's slots from the host store. */
    void moved(int bucket, Timeline.Span span) {
        h2dNanos.add(span.nanos());
        timeline.bucket(Timeline.Track.H2D, bucket, span);
    }

    /** A bucket was checked where it landed. */
    void verified(int bucket, Timeline.Span span) {
        verifyNanos.add(span.nanos());
        timeline.bucket(Timeline.Track.VERIFY, bucket, span);
    }

    /** A bucket came from another worker. */
    void transferred(int bucket, Timeline.Span span) {
        transferNanos.add(span.nanos());
        timeline.bucket(Timeline.Track.TRANSFER, bucket, span);
    }

    /** The engine loaded a bucket. */
    void reloaded(int bucket, Timeline.Span span) {
        reloadNanos.add(span.nanos());
        timeline.bucket(Timeline.Track.RELOAD, bucket, span);
    }

    StageReport report(long streamNanos) {
        return new StageReport(
                micros(h2dNanos.sum()),
                micros(verifyNanos.sum()),
                micros(transferNanos.sum()),
                micros(reloadNanos.sum()),
                micros(streamNanos),
                loadedBytes.sum(),
                landedBytes.sum(),
                new Taken(
                        receivedBytes.sum(),
                        resentBytes.sum(),
                        List.copyOf(sources),
                        castBytes.sum(),
                        List.copyOf(castSources)),
                0,
                damage.all());
    }

    private static long micros(long nanos) {
        return TimeUnit.NANOSECONDS.toMicros(nanos);
    }
}
