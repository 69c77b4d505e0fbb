package dev.inflight.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.ledger.LedgerEntry.UpdateQueued;
import dev.inflight.coordinator.limits.UpdateLimits;
import dev.inflight.coordinator.limits.UpdateQueue;
import dev.inflight.coordinator.limits.UpdateQueue.Begin;
import dev.inflight.coordinator.limits.UpdateQueue.Decision;
import dev.inflight.coordinator.limits.UpdateQueue.Excluded;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;
import net.jqwik.api.lifecycle.AfterContainer;
import org.jspecify.annotations.Nullable;

/**
 * Updates for hosts, workers, labels and all engines wait while others run, and engines move between tenants and come and
 * go. Against a model that knows of each engine by hand who may mean it.
 */
class WaitingOrderPropertyTest {
    private static final ActorTestKit KIT = ActorTestKit.create();
    private static final Instant NOW = Instant.parse("2026-11-22T09:00:00Z");
    private static final int ENGINES = 4;
    private static final List<String> TENANTS = List.of("a", "b");

    /** What an engine could be meant by, and null for all of them. */
    private static final List<@Nullable String> GROUPS = new ArrayList<>(List.of(
            "h0", "h1/0", "engine-2", "h3", "tenant=a", "tenant=b", "h0|h1", "!h0,tenant=a", "tenant=a|h3", "gone"));

    static {
        GROUPS.add(null);
    }

    private sealed interface Step {}

    private record Ask(int group) implements Step {}

    /** The update that has run for longest has ended. */
    private record End() implements Step {}

    /** An engine becomes a tenant's, or nobody's and stops. */
    private record Move(int engine, @Nullable String tenant) implements Step {}

    private final TestFleet probes = new TestFleet(KIT);
    private final Map<Integer, String> tenants = new HashMap<>();
    private final Map<String, @Nullable String> running = new LinkedHashMap<>();
    private Fleet fleet = Fleet.EMPTY;

    private final UpdateQueue queue = new UpdateQueue(
            new UpdateLimits(TestFleet.settings("").limits()),
            update -> running.values().stream()
                            .anyMatch(group -> share(group, update.operation().group()))
                    ? new Excluded(null, "another is running")
                    : null,
            update -> 1L,
            new SharedEngines(() -> fleet)::areIn);

    @AfterContainer
    static void stop() {
        KIT.shutdownTestKit();
    }

    @Property(tries = 300)
    void nobodyIsOvertakenByWhoCouldMeanTheSameEngineAndNobodyWaitsForOthers(@ForAll("steps") List<Step> steps) {
        for (int engine = 0; engine < ENGINES; engine++) {
            move(engine, TENANTS.get(engine % 2));
        }
        int asked = 0;
        for (Step step : steps) {
            switch (step) {
                case Ask ask -> queue.add(queued("u" + asked++, GROUPS.get(ask.group())));
                case End end -> running.keySet().stream().findFirst().ifPresent(running::remove);
                case Move move -> move(move.engine(), move.tenant());
            }
            begin();
        }
    }

    private void begin() {
        List<UpdateQueued> before = List.copyOf(queue.waiting());
        for (Decision decision = queue.next(NOW); decision != null; decision = queue.next(NOW)) {
            UpdateQueued begun = ((Begin) decision).update();
            for (UpdateQueued earlier : before.subList(0, before.indexOf(begun))) {
                assertThat(share(earlier.operation().group(), begun.operation().group()))
                        .as("%s overtook %s with %s", begun.operation(), earlier.operation(), tenants)
                        .isFalse();
            }
            running.put(begun.id(), begun.operation().group());
            before = List.copyOf(queue.waiting());
        }
        for (int i = 0; i < before.size(); i++) {
            String group = before.get(i).operation().group();
            List<@Nullable String> ahead = new ArrayList<>(running.values());
            before.subList(0, i)
                    .forEach(earlier -> ahead.add(earlier.operation().group()));
            assertThat(ahead)
                    .as("%s waits for somebody with %s", before.get(i).operation(), tenants)
                    .anyMatch(other -> share(other, group));
        }
    }

    /** By hand: the same words, all engines, or one engine that is there and that both mean. */
    private boolean share(@Nullable String one, @Nullable String other) {
        if (one == null || other == null || one.equals(other)) {
            return true;
        }
        Set<Integer> both = new HashSet<>(engines(one));
        both.retainAll(engines(other));
        return !both.isEmpty();
    }

    private Set<Integer> engines(String group) {
        Set<Integer> meant = new HashSet<>();
        tenants.forEach((engine, tenant) -> {
            boolean is = switch (group) {
                case "h0" -> engine == 0;
                case "h1/0" -> engine == 1;
                case "engine-2" -> engine == 2;
                case "h3" -> engine == 3;
                case "h0|h1" -> engine < 2;
                case "tenant=a" -> tenant.equals("a");
                case "tenant=b" -> tenant.equals("b");
                case "!h0,tenant=a" -> engine != 0 && tenant.equals("a");
                case "tenant=a|h3" -> engine == 3 || tenant.equals("a");
                default -> false;
            };
            if (is) {
                meant.add(engine);
            }
        });
        return meant;
    }

    private void move(int engine, @Nullable String tenant) {
        String worker = "h" + engine + "/0";
        if (tenant == null) {
            tenants.remove(engine);
            probes.withoutWorker(worker);
        } else {
            tenants.put(engine, tenant);
            probes.worker(worker, TestFleet.serving("engine-" + engine, "v1"))
                    .labelled(worker, Map.of("tenant", tenant));
        }
        fleet = probes.view();
    }

    private static UpdateQueued queued(String id, @Nullable String group) {
        OperationStarted start = new OperationStarted(
                id, "update", TestFleet.MODEL, "v1", null, null, null, null, null, "broadcast", group, NOW);
        return new UpdateQueued(start, "auto", null, NOW.plusSeconds(60), NOW);
    }

    @Provide
    Arbitrary<List<Step>> steps() {
        Arbitrary<Step> asks =
                Arbitraries.integers().between(0, GROUPS.size() - 1).map(Ask::new);
        Arbitrary<Step> moves = Combinators.combine(
                        Arbitraries.integers().between(0, ENGINES - 1),
                        Arbitraries.of(TENANTS).injectNull(0.3))
                .as(Move::new);
        return Arbitraries.frequencyOf(Tuple.of(4, asks), Tuple.of(3, Arbitraries.create(End::new)), Tuple.of(2, moves))
                .list()
                .ofMinSize(5)
                .ofMaxSize(40);
    }
}
