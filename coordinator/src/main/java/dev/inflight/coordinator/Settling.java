package dev.inflight.coordinator;

import akka.actor.typed.javadsl.TimerScheduler;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.session.SessionEvent;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Ends of operations that the fleet's reports do not show yet: sessions hear from workers and hosts on another way than
 * those come. Belongs to the coordinator's actor.
 */
final class Settling {
    /** Longest wait for the fleet's reports to show how an operation ended. */
    private static final Duration LIMIT = Duration.ofSeconds(1);

    private final TimerScheduler<UpdateCoordinator.Command> timers;
    private final Function<String, UpdateCoordinator.Command> overdue;
    private final Map<String, SessionEvent> events = new HashMap<>();

    /** @param overdue what the coordinator is told when an operation's end has waited long enough */
    Settling(TimerScheduler<UpdateCoordinator.Command> timers, Function<String, UpdateCoordinator.Command> overdue) {
        this.timers = timers;
        this.overdue = overdue;
    }

    void add(SessionEvent event) {
        events.put(event.id(), event);
        timers.startSingleTimer(event.id(), overdue.apply(event.id()), LIMIT);
    }

    boolean contains(String id) {
        return events.containsKey(id);
    }

    /** Ends that the fleet now shows. */
    List<String> visibleIn(Fleet fleet) {
        List<String> visible = new ArrayList<>();
        events.forEach((id, event) -> {
            if (event.visibleIn(fleet)) {
                visible.add(id);
            }
        });
        return visible;
    }

    @Nullable
    SessionEvent remove(String id) {
        timers.cancel(id);
        return events.remove(id);
    }
}
