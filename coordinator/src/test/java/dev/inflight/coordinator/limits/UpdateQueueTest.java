package dev.inflight.coordinator.limits;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.ledger.LedgerEntry.UpdateQueued;
import dev.inflight.coordinator.limits.UpdateQueue.Begin;
import dev.inflight.coordinator.limits.UpdateQueue.Excluded;
import dev.inflight.coordinator.limits.UpdateQueue.GiveUp;
import dev.inflight.coordinator.limits.UpdateQueue.Impossible;
import dev.inflight.coordinator.limits.UpdateQueue.Obstacle;
import dev.inflight.protocol.cluster.OperationReply.Turn;
import java.time.Instant;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class UpdateQueueTest {
    private static final Instant T0 = Instant.parse("2026-11-22T09:00:00Z");

    private final Map<String, Obstacle> obstacles = new HashMap<>();
    private final Set<String> overlapping = new HashSet<>();
    private UpdateLimits limits = UpdateLimitsTest.limits("");
    private UpdateQueue queue = queue("");

    @Test
    void thoseThatShareEnginesBeginInTheOrderInWhichTheyCame() {
        add("u1", "m", null, "ann");
        add("u2", "m", "w1", "ann");
        add("u3", "other", null, "ann");
        obstacles.put("u1", new Excluded("update-0", "update update-0 is running"));
        assertThat(begun(T0)).isEqualTo("u3");
        assertThat(queue.next(T0)).as("w1 is among all engines of m").isNull();
        assertThat(turn("u2").reason()).isEqualTo("update u1 came before it");
        obstacles.clear();
        assertThat(begun(T0)).isEqualTo("u1");
        assertThat(begun(T0)).isEqualTo("u2");
        assertThat(queue.next(T0)).isNull();
    }

    @Test
    void thoseOfDifferentGroupsDoNotWaitForEachOther() {
        add("u1", "m", "w1", "ann");
        add("u2", "m", "w2", "ann");
        obstacles.put("u1", new Excluded("update-0", "update update-0 is running"));
        assertThat(begun(T0)).isEqualTo("u2");
        assertThat(queue.ahead("m", "w2", T0)).isNull();
        assertThat(Objects.requireNonNull(queue.ahead("m", null, T0)).id()).isEqualTo("u1");
    }

    @Test
    void thoseThatNameTheSameEnginesInOtherWordsKeepTheirOrderForAsLongAsTheyDo() {
        limits.began(new Use("old", "m", "ann", 1, T0.minusSeconds(100), T0.minusSeconds(90)));
        add("u1", "m", "tenant=a", "ann");
        add("u2", "m", "w1", "ann");
        obstacles.put("u1", new Excluded(null, "update update-0 is running"));
        overlapping.addAll(List.of("tenant=a", "w1"));
        assertThat(queue.next(T0)).as("w1 is tenant a's").isNull();
        assertThat(turn("u2").reason()).isEqualTo("update u1 came before it");
        assertThat(turn("u2").expectedAt()).as("nobody knows when u1 begins").isNull();
        assertThat(Objects.requireNonNull(queue.ahead("m", "w1", T0)).id()).isEqualTo("u1");
        obstacles.clear();
        assertThat(turn("u2").expectedAt()).isEqualTo(T0.plusSeconds(10));
        obstacles.put("u1", new Excluded(null, "update update-0 is running"));
        overlapping.clear();
        assertThat(begun(T0)).as("w1 is another's now").isEqualTo("u2");
    }

    @Test
    void aTenantsOwnLimitHoldsUpNobodyElse() {
        queue = queue("tenant.updates-per-hour = 1");
        limits.began(new Use("u0", "m", "ann", 1, T0, T0.plusSeconds(1)));
        add("u1", "m", null, "ann");
        add("u2", "m", null, "bob");
        assertThat(queue.ahead("m", null, T0)).isEqualTo(waiting("u2"));
        assertThat(begun(T0.plusSeconds(2))).isEqualTo("u2");
        assertThat(queue.next(T0.plusSeconds(2))).isNull();
        assertThat(queue.nextChange(T0.plusSeconds(2))).isEqualTo(T0.plusSeconds(3600));
        assertThat(begun(T0.plusSeconds(3600))).isEqualTo("u1");
    }

    @Test
    void aModelsLimitIsTakenByWhoeverCameFirst() {
        queue = queue("model.min-interval = 60 s");
        limits.began(new Use("u0", "m", "ann", 1, T0, T0.plusSeconds(10)));
        add("u1", "m", "w1", "ann");
        add("u2", "m", "w2", "bob");
        Instant later = T0.plusSeconds(20);
        assertThat(queue.next(later)).isNull();
        assertThat(queue.turns(later).get("u1"))
                .isEqualTo(new Turn(
                        1,
                        "model m began an update 20.0 s ago; min-interval is 60.0 s; allowed at 2026-11-22T09:01:00Z",
                        T0.plusSeconds(60),
                        T0.plusSeconds(7200)));
        assertThat(Objects.requireNonNull(queue.turns(later).get("u2")).expectedAt())
                .as("an interval after the one before")
                .isEqualTo(T0.plusSeconds(120));
        assertThat(begun(T0.plusSeconds(60))).isEqualTo("u1");
    }

    @Test
    void placesAreExpectedByThePaceOfFormerUpdates() {
        limits.began(new Use("old", "m", "ann", 1, T0.minusSeconds(100), T0.minusSeconds(90)));
        limits.began(new Use("u0", "m", "ann", 1, T0.minusSeconds(4), null));
        for (String id : new String[] {"u1", "u2"}) {
            add(id, "m", null, "ann");
            obstacles.put(id, new Excluded("u0", "update u0 is running"));
        }
        assertThat(turn("u1")).isEqualTo(new Turn(1, "update u0 is running", T0.plusSeconds(6), T0.plusSeconds(7200)));
        assertThat(turn("u2").position()).isEqualTo(2);
        assertThat(turn("u2").expectedAt()).isEqualTo(T0.plusSeconds(16));
    }

    @Test
    void nobodyCanTellHowLongTheFirstUpdateOfAModelTakes() {
        limits.began(new Use("u0", "m", "ann", 1, T0, null));
        add("u1", "m", null, "ann");
        obstacles.put("u1", new Excluded("u0", "update u0 is running"));
        assertThat(turn("u1").expectedAt()).isNull();
    }

    @Test
    void waitingEndsAtItsTimeAndSaysWhatItWaitedFor() {
        add("u1", "m", null, "ann");
        obstacles.put("u1", new Excluded("u0", "update u0 is running"));
        assertThat(queue.nextChange(T0)).isEqualTo(T0.plusSeconds(7200));
        assertThat(queue.next(T0.plusMillis(7_199_999))).isNull();
        assertThat(queue.next(T0.plusSeconds(7200))).isInstanceOfSatisfying(GiveUp.class, over -> {
            assertThat(over.expired()).isTrue();
            assertThat(over.reason()).isEqualTo("update u0 is running");
        });
        assertThat(queue.waiting()).isEmpty();
    }

    @Test
    void whatHasWaitedLongEnoughEndsAlsoWhileNothingMayBegin() {
        add("u1", "m", null, "ann");
        assertThat(queue.expired(T0.plusMillis(7_199_999))).isNull();
        assertThat(queue.waiting()).hasSize(1);
        assertThat(queue.expired(T0.plusSeconds(7200))).isInstanceOf(GiveUp.class);
        assertThat(queue.waiting()).isEmpty();
    }

    @Test
    void whatCanNotBeDoneAnyMoreIsGivenUpAtOnce() {
        queue = queue("models.big.bytes-per-day = 10");
        add("u1", "m", null, "ann");
        add("u2", "big", null, "ann");
        obstacles.put("u1", new Impossible("version v1 of model m is not published"));
        assertThat(queue.next(T0))
                .isInstanceOfSatisfying(
                        GiveUp.class, over -> assertThat(over.expired()).isFalse());
        assertThat(queue.next(T0))
                .isInstanceOfSatisfying(
                        GiveUp.class, over -> assertThat(over.reason()).contains("bytes-per-day is 10"));
    }

    @Test
    void whatIsPutBackIsFirstAgainAfterAWhileThatGrows() {
        add("u1", "m", null, "ann");
        add("u2", "m", null, "ann");
        assertThat(begun(T0)).isEqualTo("u1");
        putBack("u1", T0);
        assertThat(queue.next(T0)).isNull();
        assertThat(turn("u1").reason()).isEqualTo("no engine is there");
        assertThat(queue.nextChange(T0)).isEqualTo(T0.plusSeconds(1));
        Instant now = T0.plusSeconds(1);
        assertThat(begun(now)).isEqualTo("u1");
        putBack("u1", now);
        assertThat(queue.nextChange(now)).isEqualTo(now.plusSeconds(2));
        for (int i = 0; i < 10; i++) {
            queue.retry(now);
            assertThat(queue.nextChange(now)).isEqualTo(now.plusMillis(100));
            now = now.plusMillis(100);
            assertThat(begun(now)).isEqualTo("u1");
            putBack("u1", now);
        }
        assertThat(queue.nextChange(now)).isEqualTo(now.plusSeconds(32));
    }

    private boolean overlap(String model, @Nullable String one, @Nullable String other) {
        return one == null || other == null || one.equals(other) || overlapping.containsAll(Set.of(one, other));
    }

    private void putBack(String id, Instant now) {
        queue.putBack(queued(id, "m", null, "ann"), "no engine is there", now);
    }

    private @Nullable String begun(Instant now) {
        return queue.next(now) instanceof Begin begin ? begin.update().id() : null;
    }

    private Turn turn(String id) {
        return Objects.requireNonNull(queue.turns(T0).get(id));
    }

    private UpdateQueued waiting(String id) {
        return queue.waiting().stream()
                .filter(update -> update.id().equals(id))
                .findFirst()
                .orElseThrow();
    }

    private void add(String id, String model, @Nullable String group, String tenant) {
        queue.add(queued(id, model, group, tenant));
    }

    private static UpdateQueued queued(String id, String model, @Nullable String group, String tenant) {
        OperationStarted start = new OperationStarted(
                id, "update", model, "v1", "digest", tenant, null, null, null, "broadcast", group, T0);
        return new UpdateQueued(start, "auto", null, T0.plusSeconds(7200), T0);
    }

    private UpdateQueue queue(String settings) {
        limits = UpdateLimitsTest.limits(settings);
        return new UpdateQueue(limits, update -> obstacles.get(update.id()), update -> 11L, this::overlap);
    }
}
