package dev.inflight.coordinator.canary;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.coordinator.ledger.LedgerEntry.CanaryMoved;
import dev.inflight.protocol.cluster.EngineStatus;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Watches the engines of a canary, and when its check is due. Decisions only. */
final class CanaryWatch {
    /** The report that an engine took the version may come after the news that its update ended. */
    private static final Duration ARRIVAL = Duration.ofSeconds(5);

    private final String model;
    private final String version;
    private final Set<String> arrived = new HashSet<>();
    private @Nullable Instant nextCheck;
    private @Nullable Instant lastAsked;
    private boolean checking;
    private int failures;

    CanaryWatch(String model, String version) {
        this.model = model;
        this.version = version;
    }

    /** Which of the chosen engines does not serve the version any more, and what is with it; null if all do. */
    @Nullable
    String lost(CanaryMoved state, Fleet fleet, Instant now) {
        boolean settled =
                !now.isBefore(Objects.requireNonNull(state.holdSince()).plus(ARRIVAL));
        for (String id : state.workers()) {
            FleetWorker worker = fleet.workers().get(id);
            if (worker == null) {
                return "worker " + id + " was lost";
            }
            EngineStatus engine = worker.engine();
            if (engine == null || !engine.model().equals(model)) {
                return "the engine of worker " + id + " was lost";
            }
            String named = "engine " + engine.engine() + " of worker " + id;
            if (!state.pids().getOrDefault(id, 0L).equals(engine.pid())) {
                return named + " was started anew";
            }
            boolean has = engine.state() == EngineStatus.State.SERVING && version.equals(engine.version());
            if (has) {
                arrived.add(id);
            } else if (settled || arrived.contains(id) || engine.state() == EngineStatus.State.FAILED) {
                return named + " is " + engine.state()
                        + (engine.version() == null ? "" : " with version " + engine.version())
                        + (engine.reason() == null ? "" : ": " + engine.reason());
            }
        }
        return null;
    }

    boolean isCheckDue(Instant now) {
        return !checking && (nextCheck == null || !now.isBefore(nextCheck));
    }

    void checking(Instant now) {
        checking = true;
        lastAsked = now;
    }

    /** @param next when it is due again */
    void checked(CheckResult result, Instant next) {
        checking = false;
        nextCheck = next;
        failures = result.passed() ? 0 : failures + 1;
    }

    /** When the check whose result is known was begun. */
    @Nullable
    Instant lastAsked() {
        return lastAsked;
    }

    /** How many checks failed one after the other. */
    int failures() {
        return failures;
    }
}
