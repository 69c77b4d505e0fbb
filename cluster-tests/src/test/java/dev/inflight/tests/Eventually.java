package dev.inflight.tests;

import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** Waits on conditions that nobody announces. */
public final class Eventually {
    private static final long POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

    private Eventually() {}

    /**
     * Returns once the condition holds. An exception of the condition counts as "not yet" and is the cause if time runs
     * out.
     *
     * @param what the condition in words, for the failure
     * @throws AssertionError if it does not hold in time
     */
    public static void until(String what, Duration limit, Callable<Boolean> condition) {
        long begin = System.nanoTime();
        while (true) {
            Exception problem = null;
            try {
                if (condition.call()) {
                    return;
                }
            } catch (Exception e) {
                problem = e;
            }
            if (System.nanoTime() - begin > limit.toNanos()) {
                throw new AssertionError("not within " + limit.toSeconds() + " s: " + what, problem);
            }
            LockSupport.parkNanos(POLL_NANOS);
        }
    }
}
