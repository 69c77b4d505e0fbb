package dev.inflight.coordinator.update;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.Taken;
import dev.inflight.protocol.cluster.WorkerEvent.Aborted;
import dev.inflight.protocol.cluster.WorkerEvent.Committed;
import dev.inflight.protocol.cluster.WorkerEvent.Session;
import dev.inflight.protocol.cluster.WorkerEvent.StageReport;
import dev.inflight.protocol.plan.Slots;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** Collects what became of each engine over the rounds of one update, and how long it took, and writes its result. */
final class UpdateReport {
    private record EngineNow(
            @Nullable String state, @Nullable String version) {}

    private final Round main;
    private final Map<String, EngineNow> now = new HashMap<>();
    private final Set<String> members = new TreeSet<>();
    private final SortedMap<String, FleetWorker> lostBefore;
    private final PhaseTimes phases;
    private UpdateResult.@Nullable Repair repair;

    /**
     * @param main the round that is about to move engines to the version that is asked for
     * @param lostBefore receivers that were lost before there was a plan that all agreed on
     * @param nowNanos the time, as in {@link PhaseTimes}
     */
    UpdateReport(Round main, Map<String, FleetWorker> lostBefore, long nowNanos) {
        this.main = main;
        this.phases = new PhaseTimes(main.attempt().state(), nowNanos);
        this.lostBefore = new TreeMap<>(lostBefore);
        this.lostBefore.keySet().removeAll(main.attempt().receivers());
    }

    Round main() {
        return main;
    }

    /** Takes note of the state that the main round is in by now. */
    void at(long nowNanos) {
        phases.at(main.attempt().state(), nowNanos);
    }

    /**
     * Takes in a round that ended.
     *
     * @param how what was done for owners that it lost; null if there was nothing to do
     */
    void ended(Round round, UpdateResult.@Nullable Repair how) {
        if (round.attempt().epoch() == main.attempt().epoch()) {
            repair = how;
        }
        members.addAll(round.members().keySet());
        for (Aborted answer : round.attempt().aborted().values()) {
            EngineStatus engine = answer.engine();
            now.put(
                    answer.worker(),
                    engine == null
                            ? new EngineNow(null, null)
                            : new EngineNow(engine.state().name(), engine.version()));
        }
        if (round.attempt().state() == UpdateAttempt.State.COMMITTED) {
            EngineNow serving = new EngineNow(
                    EngineStatus.State.SERVING.name(),
                    round.request().checkpoint().version());
            // Sources without an engine commit too.
            for (String worker : round.attempt().receivers()) {
                if (round.attempt().committed().containsKey(worker)) {
                    now.put(worker, serving);
                } else if (round.attempt().failures().containsKey(worker)) {
                    now.put(worker, new EngineNow(null, null));
                }
            }
        }
    }

    /** Whether a fleet's reports show how these epochs ended on every live worker. */
    boolean isVisible(Fleet fleet, Set<Long> epochs) {
        return fleet.workers().values().stream()
                .allMatch(worker -> !members.contains(worker.id()) || isVisible(worker, epochs));
    }

    private boolean isVisible(FleetWorker worker, Set<Long> epochs) {
        Session session = worker.unfinished();
        if (session != null && epochs.contains(session.epoch())) {
            return false;
        }
        EngineStatus engine = worker.engine();
        EngineNow known = now.get(worker.id());
        if (engine == null || known == null || known.state() == null || !worker.serves(model())) {
            return true;
        }
        return !main.attempt().receivers().contains(worker.id())
                || (known.state().equals(engine.state().name()) && Objects.equals(known.version(), engine.version()));
    }

    private String model() {
        return main.request().checkpoint().model();
    }

    /** Workers whose engines it was for. */
    Set<String> receivers() {
        return main.attempt().receivers();
    }

    /** Versions the engines had before. */
    Set<String> from() {
        return new TreeSet<>(FormerVersions.of(main).values());
    }

    UpdateResult result(String kind, double seconds, UpdateResult.@Nullable Restore restore) {
        UpdateAttempt attempt = main.attempt();
        Preparation.Ready ready = main.ready();
        Set<String> from = from();
        // Then there were no slots, no exchange and no plan.
        boolean swapped = ready != null && ready.strategy() == Strategy.STANDBY;
        return new UpdateResult(
                kind,
                main.request().checkpoint().model(),
                from.size() == 1 ? from.iterator().next() : null,
                main.request().checkpoint().version(),
                attempt.epoch(),
                ready == null ? null : ready.mode().label(),
                (ready == null ? main.request().strategy() : ready.strategy()).label(),
                committed() ? "committed" : "aborted",
                reason(),
                seconds,
                main.request().checkpoint().bytes(),
                attempt.loadedBytes(),
                ready == null || swapped ? null : slots(ready.slots()),
                ready == null || swapped ? null : exchange(ready.exchange()),
                swapped ? null : attempt.planDigest(),
                engines(),
                phases.result(),
                UpdateResult.Stages.of(attempt.reports()),
                Taken.sum(attempt.reports().stream().map(StageReport::taken).toList()),
                repair,
                restore,
                ready == null
                        ? null
                        : Objects.requireNonNull(main.request().verify()).label(),
                UpdateResult.DamageFound.of(attempt.reports()));
    }

    boolean committed() {
        return main.attempt().state() == UpdateAttempt.State.COMMITTED;
    }

    /** Why it was aborted, or which engines did not become live although it was committed; null if all went well. */
    @Nullable
    String reason() {
        if (!committed()) {
            return main.attempt().reason();
        }
        Map<String, String> notLive = new TreeMap<>(main.attempt().failures());
        lostBefore.keySet().forEach(id -> notLive.put(id, "lost while preparing"));
        return notLive.isEmpty() ? null : "committed, but not live on " + notLive;
    }

    private List<UpdateResult.EngineResult> engines() {
        List<UpdateResult.EngineResult> engines = new ArrayList<>();
        for (String id : main.attempt().receivers()) {
            FleetWorker worker = main.members().get(id);
            EngineStatus engine = worker == null ? null : worker.engine();
            EngineNow state = now.getOrDefault(id, new EngineNow(null, null));
            Committed done = main.attempt().committed().get(id);
            engines.add(new UpdateResult.EngineResult(
                    engine == null ? null : engine.engine(),
                    id,
                    outcome(id),
                    state.state(),
                    state.version(),
                    done == null ? null : done.stallMicros() / 1e3));
        }
        lostBefore.forEach((id, worker) -> engines.add(new UpdateResult.EngineResult(
                worker.engine() == null ? null : worker.engine().engine(), id, "failed", null, null, null)));
        if (main.ready() != null) {
            main.ready()
                    .failed()
                    .forEach((id, engine) -> engines.add(new UpdateResult.EngineResult(
                            engine.engine(), id, "failed", engine.state().name(), engine.version(), null)));
        }
        return engines;
    }

    private String outcome(String worker) {
        if (committed()) {
            return main.attempt().committed().containsKey(worker) ? "committed" : "failed";
        }
        return main.attempt().aborted().containsKey(worker) ? "aborted" : "failed";
    }

    private static UpdateResult.ExchangeUse exchange(ExchangeChoice choice) {
        return new UpdateResult.ExchangeUse(choice.exchange().label(), choice.reason());
    }

    private static UpdateResult.SlotUse slots(Slots slots) {
        return new UpdateResult.SlotUse(slots.count(), slots.bytes(), slots.reason());
    }
}
