package dev.inflight.worker;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;

/** Adds up progress from several threads and passes the sum on five times a second at most. Thread-safe. */
final class Throttle {
    private static final long INTERVAL_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

    private final LongConsumer sink;
    private final AtomicLong sum = new AtomicLong();
    private final AtomicLong next = new AtomicLong(System.nanoTime() + INTERVAL_NANOS);

    Throttle(LongConsumer sink) {
        this.sink = sink;
    }

    void add(long more) {
        pass(sum.addAndGet(more));
    }

    /** Passes on a value that the caller has summed already. */
    void pass(long value) {
        long now = System.nanoTime();
        long due = next.get();
        if (now - due >= 0 && next.compareAndSet(due, now + INTERVAL_NANOS)) {
            sink.accept(value);
        }
    }
}
