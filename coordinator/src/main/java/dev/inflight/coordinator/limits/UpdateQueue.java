package dev.inflight.coordinator.limits;

import dev.inflight.coordinator.ledger.LedgerEntry.UpdateQueued;
import dev.inflight.protocol.cluster.OperationReply.Turn;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Updates that wait for their turn. Of those that share engines the one that came first begins first; one that only its
 * own tenant's limits hold up lets others pass. Decisions only.
 */
public final class UpdateQueue {
    /** Whether two updates of a model could be about the same engine, so that the one that came first goes first. */
    @FunctionalInterface
    public interface Overlap {
        /**
         * @param one engines of the model; null for all of them
         * @param other the same
         */
        boolean of(String model, @Nullable String one, @Nullable String other);
    }

    /** What stands in the way of an update besides limits and those that came before. */
    public sealed interface Obstacle {}

    /** @param operation what must end first; null if it is something else */
    public record Excluded(@Nullable String operation, String reason) implements Obstacle {}

    /** It can not be done any more. */
    public record Impossible(String reason) implements Obstacle {}

    /** What is to be done with an update that waited. */
    public sealed interface Decision {}

    public record Begin(UpdateQueued update) implements Decision {}

    public record GiveUp(UpdateQueued update, String reason, boolean expired) implements Decision {}

    /**
     * Why an update waits.
     *
     * @param until when that is over by itself; null if something else ends it
     * @param yields whether others may pass
     */
    private record Hold(String reason, @Nullable Instant until, boolean yields) {}

    /** How long an update waits that was put back; each further time twice as long, as often as said. */
    private static final Duration LEAST_PAUSE = Duration.ofSeconds(1);

    private static final int MOST_DOUBLINGS = 5;
    private static final Duration RETRY_PAUSE = Duration.ofMillis(100);

    /** Denials one after the other that a forecast goes through for one update. */
    private static final int MOST_STEPS = 100;

    private final UpdateLimits limits;
    private final Function<UpdateQueued, @Nullable Obstacle> obstacles;
    private final Function<UpdateQueued, Long> sizes;
    private final Overlap overlap;
    private final SequencedMap<String, UpdateQueued> waiting = new LinkedHashMap<>();
    private final Map<String, Hold> putBack = new HashMap<>();
    private final Map<String, Integer> failures = new HashMap<>();

    /**
     * @param obstacles what stands in the way of an update; null if nothing does
     * @param sizes of their checkpoints, in bytes
     * @param overlap judged anew each time, since engines come and go
     */
    public UpdateQueue(
            UpdateLimits limits,
            Function<UpdateQueued, @Nullable Obstacle> obstacles,
            Function<UpdateQueued, Long> sizes,
            Overlap overlap) {
        this.limits = limits;
        this.obstacles = obstacles;
        this.sizes = sizes;
        this.overlap = overlap;
    }

    /** It came after all others. */
    public void add(UpdateQueued update) {
        waiting.put(update.id(), update);
    }

    /** It was to begin and could not: it is before all others again, and tried again after a while or {@link #retry}. */
    public void putBack(UpdateQueued update, String reason, Instant now) {
        int before = failures.merge(update.id(), 1, Integer::sum) - 1;
        Duration pause = LEAST_PAUSE.multipliedBy(1L << Math.min(before, MOST_DOUBLINGS));
        putBack.put(update.id(), new Hold(reason, now.plus(pause), false));
        waiting.putFirst(update.id(), update);
    }

    /** Something has changed for those that were put back. They begin soon, but not before their sessions are gone. */
    public void retry(Instant now) {
        Instant soon = now.plus(RETRY_PAUSE);
        putBack.replaceAll((id, hold) -> new Hold(hold.reason(), earlier(hold.until(), soon), false));
    }

    /** Nothing is remembered of one that waits no longer and does not come back. */
    public void forget(String id) {
        failures.remove(id);
    }

    public @Nullable UpdateQueued remove(String id) {
        putBack.remove(id);
        return waiting.remove(id);
    }

    public Collection<UpdateQueued> waiting() {
        return List.copyOf(waiting.values());
    }

    public boolean has(String id) {
        return waiting.containsKey(id);
    }

    /** How many updates of a model wait. */
    public int length(String model) {
        return (int)
                waiting.values().stream().filter(update -> isOf(update, model)).count();
    }

    /** The first update that would have to begin before one of these engines; null if none holds it up. */
    public @Nullable UpdateQueued ahead(String model, @Nullable String group, Instant now) {
        for (UpdateQueued update : waiting.values()) {
            if (shareEngines(update, model, group) && !yields(update, now)) {
                return update;
            }
        }
        return null;
    }

    /** The next that has waited long enough, after which there may be another; it waits no longer. Null if none has. */
    public @Nullable Decision expired(Instant now) {
        for (UpdateQueued update : waiting.values()) {
            if (!update.until().isAfter(now)) {
                Hold hold = hold(update, now);
                return taken(update, new GiveUp(update, hold == null ? "its turn" : hold.reason(), true));
            }
        }
        return null;
    }

    /** The next thing to be done, after which there may be another; it waits no longer. Null if all have to wait. */
    public @Nullable Decision next(Instant now) {
        Decision expired = expired(now);
        if (expired != null) {
            return expired;
        }
        for (UpdateQueued update : waiting()) {
            String impossible = impossible(update, now);
            if (impossible != null) {
                return taken(update, new GiveUp(update, impossible, false));
            }
            if (hold(update, now) == null) {
                return taken(update, new Begin(update));
            }
        }
        return null;
    }

    private Decision taken(UpdateQueued update, Decision decision) {
        remove(update.id());
        return decision;
    }

    /** When time alone may change something; null if nothing waits. */
    public @Nullable Instant nextChange(Instant now) {
        Instant next = null;
        for (UpdateQueued update : waiting.values()) {
            Hold hold = hold(update, now);
            next = earlier(next, update.until());
            next = earlier(next, hold == null ? null : hold.until());
        }
        return next;
    }

    private @Nullable String impossible(UpdateQueued update, Instant now) {
        if (obstacles.apply(update) instanceof Impossible never) {
            return never.reason();
        }
        Denial denial = denial(limits, update, now);
        return denial != null && denial.never() ? denial.message() : null;
    }

    private @Nullable Hold hold(UpdateQueued update, Instant now) {
        Denial denial = denial(limits, update, now);
        boolean yields = denial != null && denial.scope().kind() == Scope.Kind.TENANT;
        if (obstacles.apply(update) instanceof Excluded excluded) {
            return new Hold(excluded.reason(), null, yields);
        }
        UpdateQueued before = before(update, now);
        if (before != null) {
            return new Hold("update " + before.id() + " came before it", null, yields);
        }
        if (denial != null) {
            // The end of an update is heard of.
            boolean timed = denial.limit() != Limit.CONCURRENT_UPDATES;
            return new Hold(denial.text(), timed ? denial.at() : null, yields);
        }
        Hold back = putBack.get(update.id());
        return back != null && Objects.requireNonNull(back.until()).isAfter(now) ? back : null;
    }

    private boolean yields(UpdateQueued update, Instant now) {
        Denial denial = denial(limits, update, now);
        return denial != null && denial.scope().kind() == Scope.Kind.TENANT;
    }

    private @Nullable UpdateQueued before(UpdateQueued update, Instant now) {
        for (UpdateQueued other : waiting.values()) {
            if (other.id().equals(update.id())) {
                return null;
            }
            if (shareEngines(
                            update, other.operation().model(), other.operation().group())
                    && !yields(other, now)) {
                return other;
            }
        }
        return null;
    }

    private @Nullable Denial denial(UpdateLimits against, UpdateQueued update, Instant now) {
        return against.denial(update.operation().model(), tenant(update), sizes.apply(update), now);
    }

    /** The places of all that wait, by their ids. */
    public Map<String, Turn> turns(Instant now) {
        Map<String, Turn> turns = new LinkedHashMap<>();
        Map<String, Integer> positions = new HashMap<>();
        UpdateLimits forecast = limits.forecast(now);
        for (UpdateQueued update : waiting.values()) {
            Hold hold = hold(update, now);
            Instant at = expectedAt(update, turns, forecast, now);
            if (at != null) {
                Duration usual = limits.usual(update.operation().model());
                forecast.began(use(update, at, usual == null ? null : at.plus(usual)));
            }
            turns.put(
                    update.id(),
                    new Turn(
                            positions.merge(update.operation().model(), 1, Integer::sum),
                            hold == null ? "its turn" : hold.reason(),
                            at,
                            update.until()));
        }
        return turns;
    }

    private @Nullable Instant expectedAt(
            UpdateQueued update, Map<String, Turn> before, UpdateLimits forecast, Instant now) {
        Instant at = now;
        if (obstacles.apply(update) instanceof Excluded excluded) {
            String operation = excluded.operation();
            at = operation == null ? null : limits.expectedEnd(operation, now);
        }
        Duration usual = limits.usual(update.operation().model());
        for (Map.Entry<String, Turn> other : before.entrySet()) {
            UpdateQueued earlier = Objects.requireNonNull(waiting.get(other.getKey()));
            if (shareEngines(
                            update,
                            earlier.operation().model(),
                            earlier.operation().group())
                    && !yields(earlier, now)) {
                Instant begins = other.getValue().expectedAt();
                at = begins == null || usual == null || at == null ? null : later(at, begins.plus(usual));
            }
        }
        for (int step = 0; at != null && step < MOST_STEPS; step++) {
            Denial denial = denial(forecast, update, at);
            if (denial == null) {
                return at;
            }
            at = denial.at();
        }
        return null;
    }

    /** What an update is counted as. */
    Use use(UpdateQueued update, Instant begunAt, @Nullable Instant endedAt) {
        return new Use(update.id(), update.operation().model(), tenant(update), sizes.apply(update), begunAt, endedAt);
    }

    private static String tenant(UpdateQueued update) {
        return Scope.tenantOf(update.operation().requester());
    }

    private static boolean isOf(UpdateQueued update, String model) {
        return update.operation().model().equals(model);
    }

    private boolean shareEngines(UpdateQueued update, String model, @Nullable String group) {
        return isOf(update, model) && overlap.of(model, update.operation().group(), group);
    }

    private static Instant later(Instant one, Instant other) {
        return one.isAfter(other) ? one : other;
    }

    private static @Nullable Instant earlier(@Nullable Instant one, @Nullable Instant other) {
        if (one == null || other == null) {
            return one == null ? other : one;
        }
        return one.isBefore(other) ? one : other;
    }
}
