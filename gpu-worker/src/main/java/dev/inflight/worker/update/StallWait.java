package dev.inflight.worker.update;

import java.time.Duration;

/** A wait of an update that ends it when nothing moves for too long. Thread-safe. */
interface StallWait {
    /** While it is held up nothing need move: it does not end for that, and patience begins anew afterwards. */
    void holdUp(boolean now);

    /** For so long from now on it does not end for want of movement. */
    void holdOn(Duration time);
}
