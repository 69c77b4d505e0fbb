package dev.inflight.coordinator.limits;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Says whether an update may begin, and if not when. What counts are the updates that began within the last day,
 * whatever became of them; rollbacks, joins and the restoring after an abort neither count nor are limited. Windows slide:
 * an update leaves that of an hour exactly an hour after it began. Decisions only.
 */
public final class UpdateLimits {
    private static final Duration HOUR = Duration.ofHours(1);
    private static final Duration DAY = Duration.ofDays(1);
    /** Updates that the usual time is taken from. */
    private static final int RECENT = 9;
    /** An update that takes longer than usual may end at any time. */
    private static final Duration SOON = Duration.ofSeconds(1);

    private final LimitSettings settings;
    private final Map<String, Use> uses = new LinkedHashMap<>();

    public UpdateLimits(LimitSettings settings) {
        this.settings = settings;
    }

    /** An update began. */
    public void began(Use use) {
        uses.put(use.id(), use);
    }

    /**
     * An operation ended.
     *
     * @return whether it counted
     */
    public boolean ended(String id, Instant at) {
        return uses.computeIfPresent(id, (same, use) -> use.ended(at)) != null;
    }

    /** It did not begin after all. */
    public void forget(String id) {
        uses.remove(id);
    }

    /** Forgets what no window reaches any more. */
    public void prune(Instant now) {
        uses.values().removeIf(use -> !use.runs(now) && !isWithin(use, DAY, now));
    }

    /**
     * Why an update may not begin now; null if it may. If several limits deny it, the one that does so longest.
     *
     * @param bytes size of its checkpoint
     */
    public @Nullable Denial denial(String model, String tenant, long bytes, Instant now) {
        Denial longest = null;
        for (Scope scope : List.of(Scope.model(model), Scope.tenant(tenant))) {
            for (Denial denial : denials(scope, bytes, now)) {
                longest = denial.outlasts(longest) ? denial : longest;
            }
        }
        return longest;
    }

    private List<Denial> denials(Scope scope, long bytes, Instant now) {
        Quota quota = settings.of(scope);
        List<Use> own = uses.values().stream().filter(use -> use.isOf(scope)).toList();
        List<Denial> denials = new ArrayList<>();
        add(denials, concurrent(scope, quota.concurrentUpdates(), own, now));
        add(denials, perHour(scope, quota.updatesPerHour(), own, now));
        add(denials, interval(scope, quota.minInterval(), own, now));
        add(denials, perDay(scope, quota.bytesPerDay(), bytes, own, now));
        return denials;
    }

    private static void add(List<Denial> denials, @Nullable Denial denial) {
        if (denial != null) {
            denials.add(denial);
        }
    }

    private @Nullable Denial concurrent(Scope scope, long most, List<Use> own, Instant now) {
        List<Use> running = own.stream().filter(use -> use.runs(now)).toList();
        if (most == 0 || running.size() < most) {
            return null;
        }
        List<Instant> ends = new ArrayList<>();
        for (Use use : running) {
            Instant end = expectedEnd(use, now);
            if (end != null) {
                ends.add(end);
            }
        }
        ends.sort(Comparator.naturalOrder());
        int tooMany = (int) (running.size() - most);
        String message = scope + " has " + running.size() + " running updates; " + Limit.CONCURRENT_UPDATES.label()
                + " is " + most;
        Instant at = tooMany < ends.size() ? ends.get(tooMany) : null;
        return new Denial(Limit.CONCURRENT_UPDATES, scope, message, at, false);
    }

    private static @Nullable Denial perHour(Scope scope, long most, List<Use> own, Instant now) {
        List<Instant> begun = begunWithin(HOUR, own, now);
        if (most == 0 || begun.size() < most) {
            return null;
        }
        Instant at = begun.get((int) (begun.size() - most)).plus(HOUR);
        String message = scope + " had " + begun.size() + " updates within an hour; " + Limit.UPDATES_PER_HOUR.label()
                + " is " + most;
        return new Denial(Limit.UPDATES_PER_HOUR, scope, message, at, false);
    }

    private static @Nullable Denial interval(Scope scope, Duration least, List<Use> own, Instant now) {
        List<Instant> begun = begunWithin(least, own, now);
        // A clock that was set back may show updates to come.
        if (least.isZero() || begun.isEmpty()) {
            return null;
        }
        Duration since = Duration.between(begun.getLast(), now);
        String message = scope + " began an update " + seconds(since) + " ago; " + Limit.MIN_INTERVAL.label() + " is "
                + seconds(least);
        return new Denial(Limit.MIN_INTERVAL, scope, message, begun.getLast().plus(least), false);
    }

    private static @Nullable Denial perDay(Scope scope, long most, long bytes, List<Use> own, Instant now) {
        if (most == 0) {
            return null;
        }
        String value = "; " + Limit.BYTES_PER_DAY.label() + " is " + most;
        if (bytes > most) {
            String message = "an update of " + scope + " moves " + bytes + " bytes" + value;
            return new Denial(Limit.BYTES_PER_DAY, scope, message, null, true);
        }
        List<Use> day = own.stream()
                .filter(use -> isWithin(use, DAY, now))
                .sorted(Comparator.comparing(Use::begunAt))
                .toList();
        long moved = sum(day);
        if (moved <= most - bytes) {
            return null;
        }
        long left = moved;
        Instant at = now;
        for (Use use : day) {
            if (left <= most - bytes) {
                break;
            }
            left -= use.bytes();
            at = use.begunAt().plus(DAY);
        }
        String message = scope + " moved " + moved + " bytes within a day, and this update would add " + bytes + value;
        return new Denial(Limit.BYTES_PER_DAY, scope, message, at, false);
    }

    /** When a running update is over if it takes as long as usual; null if nobody can tell. */
    public @Nullable Instant expectedEnd(String id, Instant now) {
        Use use = uses.get(id);
        return use == null ? null : expectedEnd(use, now);
    }

    private @Nullable Instant expectedEnd(Use use, Instant now) {
        if (use.endedAt() != null) {
            return use.endedAt();
        }
        Duration usual = usual(use.model());
        if (usual == null) {
            return null;
        }
        Instant end = use.begunAt().plus(usual);
        return end.isAfter(now) ? end : now.plus(SOON);
    }

    /** The median time of a model's last updates; null before the first has ended. */
    @Nullable
    Duration usual(String model) {
        List<Duration> all = uses.values().stream()
                .filter(use -> use.model().equals(model))
                .map(UpdateLimits::took)
                .flatMap(Optional::stream)
                .toList();
        List<Duration> recent = all.subList(Math.max(0, all.size() - RECENT), all.size()).stream()
                .sorted()
                .toList();
        return recent.isEmpty() ? null : recent.get(recent.size() / 2);
    }

    private static Optional<Duration> took(Use use) {
        Instant end = use.endedAt();
        return end == null ? Optional.empty() : Optional.of(Duration.between(use.begunAt(), end));
    }

    /** The same to try things out on, in which what runs ends when it is expected to. */
    UpdateLimits forecast(Instant now) {
        UpdateLimits copy = new UpdateLimits(settings);
        uses.forEach((id, use) -> {
            Instant end = expectedEnd(use, now);
            copy.began(end == null ? use : use.ended(end));
        });
        return copy;
    }

    /** What each model and tenant is held to and has used, of those that have limits of their own or any use. */
    public List<Usage> usages(Set<String> models, Instant now) {
        Set<Scope> scopes = new TreeSet<>(settings.own().keySet());
        models.forEach(model -> scopes.add(Scope.model(model)));
        for (Use use : uses.values()) {
            scopes.add(Scope.model(use.model()));
            scopes.add(Scope.tenant(use.tenant()));
        }
        return scopes.stream().map(scope -> usage(scope, now)).toList();
    }

    private Usage usage(Scope scope, Instant now) {
        List<Use> own = uses.values().stream().filter(use -> use.isOf(scope)).toList();
        List<Use> day = own.stream().filter(use -> isWithin(use, DAY, now)).toList();
        Denial longest = null;
        for (Denial denial : denials(scope, 1, now)) {
            longest = denial.outlasts(longest) ? denial : longest;
        }
        return Usage.of(
                scope,
                settings.of(scope),
                begunWithin(HOUR, own, now).size(),
                (int) own.stream().filter(use -> use.runs(now)).count(),
                sum(day),
                day.stream().map(Use::begunAt).max(Comparator.naturalOrder()).orElse(null),
                longest);
    }

    /** Oldest first. */
    private static List<Instant> begunWithin(Duration window, List<Use> own, Instant now) {
        return own.stream()
                .filter(use -> isWithin(use, window, now))
                .map(Use::begunAt)
                .sorted()
                .toList();
    }

    private static boolean isWithin(Use use, Duration window, Instant now) {
        return use.begunAt().plus(window).isAfter(now);
    }

    private static long sum(List<Use> uses) {
        return uses.stream().mapToLong(Use::bytes).sum();
    }

    private static String seconds(Duration duration) {
        return duration.toMillis() / 1e3 + " s";
    }
}
