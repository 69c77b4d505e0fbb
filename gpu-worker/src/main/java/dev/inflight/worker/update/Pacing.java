package dev.inflight.worker.update;

import dev.inflight.protocol.cluster.WorkerCommand.Prepare;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.worker.transport.SourcePace;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What sources of one update keep to, and how its coordinator hears that they have this worker wait for its turn.
 * Thread-safe.
 */
final class Pacing {
    private static final long INTERVAL_NANOS = Duration.ofSeconds(1).toNanos();

    private final Prepare order;
    private final String worker;
    private final AtomicLong due = new AtomicLong(System.nanoTime());

    Pacing(Prepare order, String worker) {
        this.order = order;
        this.worker = worker;
    }

    /** For a source without which the update can not go on. */
    SourcePace pace() {
        return new SourcePace(order.limits(), () -> {
            heldUp();
            return true;
        });
    }

    /** Tells the coordinator, once a second at most. Does not block. */
    void heldUp() {
        long now = System.nanoTime();
        long at = due.get();
        if (now - at >= 0 && due.compareAndSet(at, now + INTERVAL_NANOS)) {
            order.replyTo().tell(new WorkerEvent.HeldUp(worker, order.epoch()));
        }
    }
}
