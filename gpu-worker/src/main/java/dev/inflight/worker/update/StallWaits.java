package dev.inflight.worker.update;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** All such waits of one update on one worker. Thread-safe; nothing blocks. */
final class StallWaits {
    /** A member that waits for its turn says so about once a second. */
    private static final Duration UNTIL_TOLD_AGAIN = Duration.ofSeconds(2);

    private final List<StallWait> waits = new CopyOnWriteArrayList<>();
    private final Duration patience;

    /** @param patience how long nothing may move */
    StallWaits(Duration patience) {
        this.patience = patience;
    }

    <T extends StallWait> T add(T wait) {
        waits.add(wait);
        return wait;
    }

    /** Whether somebody is looked for who stands in for a lost owner. */
    void holdUp(boolean now) {
        waits.forEach(wait -> wait.holdUp(now));
    }

    /** Some member waits for its turn under a limit, and all others perhaps for that member. */
    void holdOn() {
        Duration time = patience.plus(UNTIL_TOLD_AGAIN);
        waits.forEach(wait -> wait.holdOn(time));
    }
}
