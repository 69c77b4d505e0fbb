package dev.inflight.coordinator.simulation;

import akka.actor.testkit.typed.Effect;
import akka.actor.testkit.typed.javadsl.BehaviorTestKit;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;

/** A real behavior that runs when the simulation lets it, with timers on simulated time. */
final class SimulatedActor<T> {
    private final World world;
    private final Consumer<Effect> effects;
    private final BehaviorTestKit<T> kit;
    private final Map<Object, Long> timers = new HashMap<>();
    private long started;
    private final Runnable wake;
    private boolean stopped;

    /**
     * @param effects told of what the behavior does beside its timers
     * @param wake run after a timer: lets everybody handle what they were told
     */
    SimulatedActor(World world, BehaviorTestKit<T> kit, Consumer<Effect> effects, Runnable wake) {
        this.world = world;
        this.effects = effects;
        this.wake = wake;
        this.kit = kit;
    }

    BehaviorTestKit<T> kit() {
        return kit;
    }

    boolean isAlive() {
        return !stopped && kit.isAlive();
    }

    /** Its process is gone: it does nothing any more. */
    void kill() {
        stopped = true;
    }

    void run(T message) {
        if (isAlive()) {
            kit.run(message);
        }
    }

    /**
     * Handles what it was told and what it has done.
     *
     * @return whether there was anything
     */
    boolean pump() {
        boolean any = false;
        while (true) {
            boolean more = false;
            while (kit.hasEffects()) {
                more = true;
                take(kit.getEffect());
            }
            if (isAlive() && kit.selfInbox().hasMessages()) {
                more = true;
                kit.runOne();
            }
            kit.getAllLogEntries().forEach(entry -> world.tell("%s", entry.message()));
            kit.clearLog();
            if (!more) {
                return any;
            }
            any = true;
        }
    }

    private void take(Effect effect) {
        if (effect instanceof Effect.TimerScheduled<?> timer) {
            long number = started++;
            timers.put(timer.key(), number);
            // A Scala object without a name in Java.
            boolean once = timer.mode().toString().equals("SingleMode");
            plan(timer, number, once);
        } else if (effect instanceof Effect.TimerCancelled cancelled) {
            timers.remove(cancelled.key());
        } else {
            effects.accept(effect);
        }
    }

    private void plan(Effect.TimerScheduled<?> timer, long number, boolean once) {
        world.in(Math.max(1, timer.duration().toMillis()), () -> {
            var current = timers.get(timer.key());
            if (isAlive() && current != null && current == number) {
                if (once) {
                    timers.remove(timer.key());
                } else {
                    plan(timer, number, false);
                }
                timer.send().apply();
                wake.run();
            }
        });
    }
}
