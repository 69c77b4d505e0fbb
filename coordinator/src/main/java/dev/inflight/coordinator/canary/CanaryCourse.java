package dev.inflight.coordinator.canary;

import dev.inflight.coordinator.canary.CanaryResult.Outcome;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.ledger.LedgerEntry.CanaryMoved;
import dev.inflight.coordinator.ledger.LedgerEntry.CanaryPhase;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.TrainerCommand.DecideCanary.Decision;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The course of a canary, decisions only.
 *
 * <pre>
 * UPDATING → HOLDING → PROMOTING → promoted
 *     └─────────┴──────────┴─────→ REVERTING → reverted or failed
 * </pre>
 *
 * <p>Every step is in the ledger before it is taken, and is an update or rollback with an idempotency key, so that a later
 * coordinator takes it again to no effect.
 */
final class CanaryCourse {
    sealed interface Action {}

    /** Enters the state in the ledger; {@link #onKept} follows. */
    record Write(CanaryMoved state, int number) implements Action {}

    /**
     * Asks for a step; {@link #onEnded} or {@link #onRefused} follows.
     *
     * @param attempt which, from 1: each is an operation of its own
     * @param later whether it was refused just now
     */
    record Ask(Step step, int attempt, boolean later) implements Action {}

    /** Makes the check once; {@link #onChecked} follows. */
    record Check(CanaryCheck check) implements Action {}

    /** The last action. */
    record End(CanaryResult result) implements Action {}

    enum Step {
        UPDATE,
        PROMOTE,
        REVERT
    }

    private static final int MOST_REVERTS = 3;

    private final CanaryStart start;
    private final CanaryPlan plan;
    private final CanaryEngines engines;
    private final CanaryWatch watch;
    private final Instant begun;
    private CanaryMoved state;
    private Fleet fleet;
    private int written;
    private boolean kept;
    private @Nullable Step asked;
    private int attempt;
    private Instant patience;
    private @Nullable Operation update;
    private @Nullable Operation last;
    private boolean ended;

    /** @param begun when the canary was accepted */
    CanaryCourse(CanaryStart start, CanaryPlan plan, Instant begun) {
        this.start = start;
        this.plan = plan;
        this.state = start.state();
        this.fleet = start.fleet();
        this.begun = begun;
        this.patience = begun;
        this.engines = new CanaryEngines(start.model(), start.group(), state.workers(), state.from());
        this.watch = new CanaryWatch(start.model(), start.version());
    }

    CanaryMoved state() {
        return state;
    }

    /** When it will be decided if nothing happens; null unless it is holding. */
    @Nullable
    Instant holdEndsAt() {
        Instant since = state.holdSince();
        return state.phase() == CanaryPhase.HOLDING && since != null ? since.plus(longestHold()) : null;
    }

    private Duration longestHold() {
        Duration hold = plan.hold();
        if (hold == null) {
            return start.settings().maxHold();
        }
        return plan.check() instanceof CanaryCheck.Client
                ? hold.plus(start.settings().clientGrace())
                : hold;
    }

    List<Action> begin(Instant now) {
        if (start.resumed()) {
            kept = true;
            return enter(now);
        }
        return write(state);
    }

    private List<Action> write(CanaryMoved next) {
        state = next;
        kept = false;
        return List.of(new Write(next, ++written));
    }

    /** Enters the state once more, since the ledger may have forgotten it; nothing waits for that. */
    List<Action> again() {
        return kept && !ended ? List.of(new Write(state, ++written)) : List.of();
    }

    /** The ledger has it. */
    List<Action> onKept(int number, Instant now) {
        if (kept || number != written || ended) {
            return List.of();
        }
        kept = true;
        return enter(now);
    }

    private List<Action> enter(Instant now) {
        return switch (state.phase()) {
            case UPDATING -> update(now);
            case HOLDING -> onTick(now);
            case PROMOTING -> engines.othersAreGone(fleet) ? end(Outcome.PROMOTED, now) : ask(Step.PROMOTE, now);
            case REVERTING -> engines.areBack(fleet) ? end(Outcome.REVERTED, now) : ask(Step.REVERT, now);
        };
    }

    private List<Action> update(Instant now) {
        if (asked == Step.UPDATE) {
            // Only a decision was written.
            return List.of();
        }
        String decided = state.detectedBy();
        // What a former coordinator began may have to be undone, so its end must be known.
        return decided != null && !start.resumed()
                ? revert(decided, String.valueOf(state.reason()), now)
                : ask(Step.UPDATE, now);
    }

    private List<Action> ask(Step step, Instant now) {
        asked = step;
        attempt = 1;
        patience = now.plus(start.settings().patience());
        return List.of(new Ask(step, attempt, false));
    }

    /** Whether it still waits for this. */
    boolean wants(Ask ask) {
        return !ended && asked == ask.step() && attempt == ask.attempt();
    }

    /** A step came to its end. */
    List<Action> onEnded(Step step, Operation operation, Instant now) {
        if (step != asked || ended) {
            return List.of();
        }
        boolean succeeded = operation.state() == OperationReply.State.SUCCEEDED;
        return switch (step) {
            case UPDATE -> {
                asked = null;
                update = operation;
                yield updated(succeeded, operation, now);
            }
            case PROMOTE -> promoted(succeeded, operation, now);
            case REVERT -> reverted(succeeded, operation, now);
        };
    }

    private List<Action> promoted(boolean succeeded, Operation operation, Instant now) {
        if (!succeeded && start.resumed() && attempt == 1) {
            // What its coordinator's loss ended says nothing about the version.
            return List.of(new Ask(Step.PROMOTE, ++attempt, false));
        }
        last = operation;
        return succeeded
                ? end(Outcome.PROMOTED, now)
                : revert("update", "the promotion failed: " + operation.error(), now);
    }

    private List<Action> reverted(boolean succeeded, Operation operation, Instant now) {
        last = operation;
        if (succeeded || engines.areBack(fleet)) {
            return end(Outcome.REVERTED, now);
        }
        return attempt < MOST_REVERTS ? List.of(new Ask(Step.REVERT, ++attempt, true)) : end(Outcome.FAILED, now);
    }

    private List<Action> updated(boolean succeeded, Operation operation, Instant now) {
        if (state.detectedBy() != null) {
            return revert(state.detectedBy(), String.valueOf(state.reason()), now);
        }
        if (!succeeded) {
            return revert("update", "the canary's update failed: " + operation.error(), now);
        }
        for (CanaryResult.Engine engine : CanaryResult.Engine.of(operation)) {
            if (!engine.outcome().equals("committed")) {
                return revert(
                        "engine",
                        "engine " + engine.engine() + " of worker " + engine.worker() + " did not take the version: "
                                + engine.outcome(),
                        now);
            }
        }
        return write(new CanaryMoved(
                start.id(),
                state.canary(),
                CanaryPhase.HOLDING,
                state.workers(),
                engines.pids(fleet),
                state.from(),
                now,
                null,
                null,
                now));
    }

    /** A step was not taken. */
    List<Action> onRefused(Step step, Refused refused, Instant now) {
        if (step != asked || ended) {
            return List.of();
        }
        if (step == Step.PROMOTE && engines.othersAreGone(fleet)) {
            return end(Outcome.PROMOTED, now);
        }
        if (step == Step.REVERT && engines.areBack(fleet)) {
            return end(Outcome.REVERTED, now);
        }
        boolean mayPass = refused.code() == Refused.Code.CONFLICT || refused.code() == Refused.Code.UNAVAILABLE;
        if (mayPass && now.isBefore(patience)) {
            return List.of(new Ask(step, attempt, true));
        }
        return switch (step) {
            case UPDATE -> {
                asked = null;
                yield revert("update", "the canary's update was refused: " + refused.message(), now);
            }
            case PROMOTE -> revert("update", "the promotion was refused: " + refused.message(), now);
            case REVERT -> end(Outcome.FAILED, now);
        };
    }

    List<Action> onFleet(Fleet next, Instant now) {
        fleet = next;
        return onTick(now);
    }

    /** Time has passed. */
    List<Action> onTick(Instant now) {
        Instant since = state.holdSince();
        if (!kept || ended || state.phase() != CanaryPhase.HOLDING || since == null) {
            return List.of();
        }
        String lost = watch.lost(state, fleet, now);
        if (lost != null) {
            return revert("engine", lost, now);
        }
        boolean over = !now.isBefore(since.plus(longestHold()));
        CanaryCheck check = plan.check();
        if (over && plan.hold() == null) {
            return revert(
                    "max-hold", "nobody promoted it within " + longestHold().toMillis() + " ms", now);
        }
        if (check instanceof CanaryCheck.Client) {
            return over ? revert("max-hold", "who checks it did not promote it in time", now) : List.of();
        }
        if (check == null) {
            return over ? promote("hold", now) : List.of();
        }
        return watch.isCheckDue(now) ? List.of(new Check(check)) : List.of();
    }

    void checking(Instant now) {
        watch.checking(now);
    }

    /** What the check said. */
    List<Action> onChecked(CheckResult result, Instant now) {
        watch.checked(result, now.plus(start.settings().checkInterval()));
        Instant since = state.holdSince();
        CanaryCheck check = plan.check();
        if (!kept || ended || state.phase() != CanaryPhase.HOLDING || since == null || check == null) {
            return List.of();
        }
        if (watch.failures() >= start.settings().checkFailures()) {
            return revert(check.label(), String.valueOf(result.failure()), now);
        }
        Instant asked = watch.lastAsked();
        boolean last = plan.hold() != null && asked != null && !asked.isBefore(since.plus(longestHold()));
        return last && result.passed() ? promote("hold", now) : List.of();
    }

    /**
     * Somebody decided.
     *
     * @return why they can not; null if they can
     */
    @Nullable
    String objection(Decision decision) {
        CanaryPhase wanted = decision == Decision.PROMOTE ? CanaryPhase.PROMOTING : CanaryPhase.REVERTING;
        CanaryPhase phase = state.phase();
        if (phase == wanted || phase == CanaryPhase.HOLDING) {
            return null;
        }
        if (phase == CanaryPhase.UPDATING) {
            if (decision == Decision.REVERT) {
                return null;
            }
            return "its engines do not all serve version " + start.version() + " yet; promote it when it is holding";
        }
        return "it is " + phase.label() + " already";
    }

    /** Carries out a decision to which there is no objection. */
    List<Action> decide(Decision decision, String detectedBy, String reason, Instant now) {
        if (ended || objection(decision) != null) {
            return List.of();
        }
        return switch (state.phase()) {
            // An update is not broken off; what follows it is changed.
            case UPDATING ->
                state.detectedBy() != null ? List.of() : write(moved(CanaryPhase.UPDATING, detectedBy, reason, now));
            case HOLDING -> decision == Decision.PROMOTE ? promote(detectedBy, now) : revert(detectedBy, reason, now);
            case PROMOTING, REVERTING -> List.of();
        };
    }

    private List<Action> promote(String detectedBy, Instant now) {
        return write(moved(CanaryPhase.PROMOTING, detectedBy, null, now));
    }

    private List<Action> revert(String detectedBy, String reason, Instant now) {
        asked = null;
        return write(moved(CanaryPhase.REVERTING, detectedBy, reason, now));
    }

    private CanaryMoved moved(CanaryPhase phase, String detectedBy, @Nullable String reason, Instant now) {
        return new CanaryMoved(
                start.id(),
                state.canary(),
                phase,
                state.workers(),
                state.pids(),
                state.from(),
                state.holdSince(),
                detectedBy,
                reason,
                now);
    }

    /** Which engines a step moves. */
    String group(Step step) {
        return step == Step.PROMOTE ? engines.others() : engines.chosen();
    }

    private List<Action> end(Outcome outcome, Instant now) {
        ended = true;
        asked = null;
        return List.of(new End(CanaryResult.of(start, plan, state, outcome, update, last, begun, now)));
    }
}
