package dev.inflight.worker.store;

import dev.inflight.worker.device.Pinning;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;

/** Counts the time that pinning takes, which a publish reports. Thread-safe. */
final class TimedPinning implements Pinning {
    private final Pinning pinning;
    private final LongAdder nanos = new LongAdder();

    TimedPinning(Pinning pinning) {
        this.pinning = pinning;
    }

    @Override
    public Pinned pin(MemorySegment memory) {
        if (Pinning.NONE.equals(pinning)) {
            return pinning.pin(memory);
        }
        long start = System.nanoTime();
        var pinned = pinning.pin(memory);
        nanos.add(System.nanoTime() - start);
        return pinned;
    }

    /** Time spent so far. */
    long micros() {
        return TimeUnit.NANOSECONDS.toMicros(nanos.sum());
    }
}
