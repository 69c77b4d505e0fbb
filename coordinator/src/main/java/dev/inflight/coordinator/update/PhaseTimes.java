package dev.inflight.coordinator.update;

import java.util.EnumMap;
import java.util.Map;

/** How long an attempt was in each state. Time is given, in nanoseconds of one clock. */
final class PhaseTimes {
    private final Map<UpdateAttempt.State, Long> nanos = new EnumMap<>(UpdateAttempt.State.class);
    private UpdateAttempt.State state;
    private long since;

    PhaseTimes(UpdateAttempt.State first, long now) {
        this.state = first;
        this.since = now;
    }

    /** The attempt is in {@code next} now, which may be what it was in before. */
    void at(UpdateAttempt.State next, long now) {
        if (next != state) {
            nanos.merge(state, now - since, Long::sum);
            state = next;
            since = now;
        }
    }

    UpdateResult.Phases result() {
        return new UpdateResult.Phases(
                seconds(UpdateAttempt.State.PREPARING),
                seconds(UpdateAttempt.State.BEGINNING),
                seconds(UpdateAttempt.State.STREAMING),
                seconds(UpdateAttempt.State.STAGED) + seconds(UpdateAttempt.State.COMMITTING),
                seconds(UpdateAttempt.State.ABORTING));
    }

    private double seconds(UpdateAttempt.State of) {
        return nanos.getOrDefault(of, 0L) / 1e9;
    }
}
