package dev.inflight.coordinator;

import akka.actor.typed.javadsl.TimerScheduler;
import dev.inflight.coordinator.fleet.Fleet;
import java.time.Duration;
import java.util.HashSet;
import java.util.Set;
import java.util.function.Function;
import org.slf4j.Logger;

/**
 * Whether all that may know what a former coordinator left have reported. Those that are listed are waited for, but none
 * for ever: one that is reachable and does not answer would hold up everything. What such a one brings when it reports
 * after all is ended like anything that comes back late, and epochs keep it from changing what was done since. Belongs to
 * the coordinator's actor.
 */
final class RollCall {
    private record Awaited(String name) {}

    private final TimerScheduler<UpdateCoordinator.Command> timers;
    private final Duration window;
    private final Function<String, UpdateCoordinator.Command> overdue;
    private final Logger log;
    private final Set<Awaited> awaited = new HashSet<>();
    private final Set<Awaited> givenUp = new HashSet<>();
    private boolean listed;

    /**
     * @param window longest wait for a host or worker that is listed and does not report
     * @param overdue what the coordinator is told when one has been waited for long enough
     */
    RollCall(
            TimerScheduler<UpdateCoordinator.Command> timers,
            Duration window,
            Function<String, UpdateCoordinator.Command> overdue,
            Logger log) {
        this.timers = timers;
        this.window = window;
        this.overdue = overdue;
        this.log = log;
    }

    /** Who is not listed by now is not there. */
    void allListed() {
        listed = true;
    }

    /** Whether that has been so. It takes {@link Surroundings#patience} and does not depend on anybody's report. */
    boolean areAllListed() {
        return listed;
    }

    boolean isComplete() {
        return listed && awaited.isEmpty();
    }

    void observe(Fleet fleet) {
        Set<Awaited> silent = new HashSet<>();
        // Without its incarnation: one that fails and starts again and again has no new time each time.
        fleet.silent().forEach(ref -> silent.add(new Awaited(ref.path().toString())));
        givenUp.retainAll(silent);
        awaited.removeIf(one -> {
            boolean over = !silent.contains(one);
            if (over) {
                timers.cancel(one);
            }
            return over;
        });
        silent.removeAll(givenUp);
        for (Awaited one : silent) {
            if (awaited.add(one)) {
                timers.startSingleTimer(one, overdue.apply(one.name()), window);
            }
        }
    }

    /** One has been waited for long enough. */
    void giveUp(String name) {
        Awaited one = new Awaited(name);
        if (awaited.remove(one)) {
            givenUp.add(one);
            log.warn("{} is registered and has not reported for {} ms; going on without it", name, window.toMillis());
        }
    }
}
