package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import akka.actor.typed.javadsl.ActorContext;
import dev.inflight.coordinator.Operations.Running;
import dev.inflight.coordinator.canary.CanaryAdmission;
import dev.inflight.coordinator.canary.CanaryCheck;
import dev.inflight.coordinator.canary.CanaryException;
import dev.inflight.coordinator.canary.CanarySession;
import dev.inflight.coordinator.canary.CanarySettings;
import dev.inflight.coordinator.canary.CanaryStart;
import dev.inflight.coordinator.canary.CheckResult;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.join.Joins;
import dev.inflight.coordinator.ledger.LedgerEntry.CanaryMoved;
import dev.inflight.coordinator.ledger.LedgerEntry.CanaryPhase;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.ledger.LedgerState;
import dev.inflight.coordinator.ledger.Receipt;
import dev.inflight.coordinator.session.SessionEvent;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineSelection;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.OperationReply.Refused.Code;
import dev.inflight.protocol.cluster.OperationReply.State;
import dev.inflight.protocol.cluster.TrainerCommand.CanaryUpdate;
import dev.inflight.protocol.cluster.TrainerCommand.DecideCanary;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The canaries that run. Those that a former coordinator began hold on to their engines and versions at once, and go on when
 * the fleet has reported. Belongs to the coordinator's actor.
 */
final class CanaryDesk {
    /** As operations name it. */
    static final String KIND = "canary";

    /** @param session null while it waits to go on */
    private record Canary(
            OperationStarted start,
            CanaryMoved state,
            @Nullable ActorRef<CanarySession.Command> session) {}

    private final ActorContext<UpdateCoordinator.Command> context;
    private final CanarySettings settings;
    private final InstantSource wallClock;
    private final Function<CanaryCheck, CompletionStage<CheckResult>> probe;
    private final ActorRef<SessionEvent> events;
    private final Function<String, UpdateCoordinator.Command> stopped;
    private final Operations operations;
    private final PastOperations past;
    private final VersionLedger ledger;
    private final Joins joins;
    private final Map<String, Canary> running = new LinkedHashMap<>();

    /**
     * @param probe makes a check once
     * @param events hears what sessions tell
     * @param stopped what the coordinator is told when the session of an operation has stopped
     */
    CanaryDesk(
            ActorContext<UpdateCoordinator.Command> context,
            CanarySettings settings,
            InstantSource wallClock,
            Function<CanaryCheck, CompletionStage<CheckResult>> probe,
            ActorRef<SessionEvent> events,
            Function<String, UpdateCoordinator.Command> stopped,
            Operations operations,
            PastOperations past,
            VersionLedger ledger,
            Joins joins) {
        this.context = context;
        this.settings = settings;
        this.wallClock = wallClock;
        this.probe = probe;
        this.events = events;
        this.stopped = stopped;
        this.operations = operations;
        this.past = past;
        this.ledger = ledger;
        this.joins = joins;
    }

    /** Operations that nobody ended, except canaries that can go on. */
    static List<OperationStarted> others(LedgerState state) {
        return state.unfinished().stream()
                .filter(start -> !state.canaries().containsKey(start.id()))
                .toList();
    }

    /** Takes over what a former coordinator was doing. */
    void restore(LedgerState state) {
        for (OperationStarted start : state.unfinished()) {
            CanaryMoved moved = state.canaries().get(start.id());
            if (moved != null) {
                begin(start, moved, null);
            }
        }
    }

    /** All that live have reported: canaries of a former coordinator go on. */
    void resume(Fleet fleet) {
        List.copyOf(running.values()).stream()
                .filter(canary -> canary.session() == null)
                .forEach(canary -> resume(canary, fleet));
    }

    private void resume(Canary canary, Fleet fleet) {
        try {
            spawn(canary.start(), canary.state(), true, fleet);
        } catch (CanaryException e) {
            // The settings have changed: what may no longer be watched goes back.
            CanaryMoved state = canary.state();
            String share = state.canary().share();
            CanaryMoved back = new CanaryMoved(
                    state.operation(),
                    new dev.inflight.protocol.cluster.Canary(share, null, null),
                    CanaryPhase.REVERTING,
                    state.workers(),
                    state.pids(),
                    state.from(),
                    state.holdSince(),
                    "operator",
                    "the coordinator's settings do not allow it any more: " + e.getMessage(),
                    wallClock.instant());
            spawn(canary.start(), back, true, fleet);
        }
    }

    /** @return why not; null if it begins */
    @Nullable
    Refused start(OperationStarted start, CanaryUpdate asked, Fleet fleet, @Nullable ActorRef<OperationReply> replyTo) {
        CanaryAdmission.Admitted admitted;
        try {
            admitted = CanaryAdmission.of(asked, fleet, joins::isWhereItShouldBe, settings);
        } catch (CanaryException e) {
            return new Refused(Code.INVALID, String.valueOf(e.getMessage()));
        }
        if (admitted.refused() != null) {
            return admitted.refused();
        }
        if (ledger.find(asked.model(), admitted.from()) == null) {
            return new Refused(
                    Code.NOT_FOUND,
                    "version " + admitted.from() + ", which the engines serve, is not published any more, so none could"
                            + " go back to it");
        }
        CanaryMoved state = new CanaryMoved(
                start.id(),
                asked.canary(),
                CanaryPhase.UPDATING,
                admitted.workers(),
                new TreeMap<>(),
                admitted.from(),
                null,
                null,
                null,
                wallClock.instant());
        begin(start, state, replyTo);
        spawn(start, state, false, fleet);
        return null;
    }

    private void begin(OperationStarted start, CanaryMoved state, @Nullable ActorRef<OperationReply> replyTo) {
        String id = start.id();
        running.put(id, new Canary(start, state, null));
        joins.assumed(start.model(), start.group(), state.from());
        operations.started(new Running(start, digests(start, state), fleet -> tell(id, fleet), replyTo));
    }

    private Set<String> digests(OperationStarted start, CanaryMoved state) {
        Set<String> digests = new HashSet<>();
        for (String version : List.of(state.from(), Objects.requireNonNull(start.to()))) {
            CheckpointRef checkpoint = ledger.find(start.model(), version);
            if (checkpoint != null) {
                digests.add(checkpoint.digest());
            }
        }
        return digests;
    }

    private void tell(String id, Fleet fleet) {
        Canary canary = running.get(id);
        if (canary != null && canary.session() != null) {
            canary.session().tell(new CanarySession.FleetChanged(fleet));
        }
    }

    private void spawn(OperationStarted start, CanaryMoved state, boolean resumed, Fleet fleet) {
        ActorRef<CanarySession.Command> session = context.spawnAnonymous(CanarySession.create(
                new CanaryStart(
                        start.model(),
                        Objects.requireNonNull(start.to()),
                        start.group(),
                        mode(start),
                        start.strategy() == null ? "auto" : start.strategy(),
                        start.requester(),
                        state,
                        resumed,
                        fleet,
                        settings,
                        wallClock,
                        probe,
                        events),
                start.at()));
        running.put(start.id(), new Canary(start, state, session));
        context.watchWith(session, stopped.apply(start.id()));
    }

    private static @Nullable LoadMode mode(OperationStarted start) {
        for (LoadMode mode : LoadMode.values()) {
            if (mode.label().equals(start.mode())) {
                return mode;
            }
        }
        return null;
    }

    /** Answers who decides about a canary, or has its session answer. */
    void decide(DecideCanary decision) {
        Refused invalid = CanaryAdmission.refusal(decision);
        if (invalid != null) {
            decision.replyTo().tell(invalid);
            return;
        }
        List<Canary> meant = running.values().stream()
                .filter(canary -> decision.operation() == null
                        ? canary.start().model().equals(decision.model())
                        : canary.start().id().equals(decision.operation()))
                .toList();
        if (meant.isEmpty()) {
            notRunning(decision);
            return;
        }
        if (meant.size() > 1) {
            decision.replyTo().tell(severalRun(meant));
            return;
        }
        ActorRef<CanarySession.Command> session = meant.getFirst().session();
        if (session == null) {
            decision.replyTo()
                    .tell(new Refused(
                            Code.UNAVAILABLE,
                            "canary " + meant.getFirst().start().id()
                                    + " goes on when all workers have reported to the new coordinator; try again"));
        } else {
            session.tell(new CanarySession.Decided(decision));
        }
    }

    private static Refused severalRun(List<Canary> meant) {
        return new Refused(
                Code.CONFLICT,
                "several canaries run; name the operation: "
                        + meant.stream().map(canary -> canary.start().id()).toList());
    }

    private void notRunning(DecideCanary decision) {
        String id = decision.operation();
        if (id == null) {
            // Which one was meant before, nobody can tell.
            decision.replyTo()
                    .tell(new Refused(Code.NOT_FOUND, "no canary of model " + decision.model() + " is running"));
        } else {
            past.answer(
                    id, operations.operation(id), known -> ended(id, decision.decision(), known), decision.replyTo());
        }
    }

    /** Who says again what was done is told so. */
    private static OperationReply ended(String id, DecideCanary.Decision decision, @Nullable Operation operation) {
        if (operation == null || !operation.kind().equals(KIND)) {
            return new Refused(Code.NOT_FOUND, "no canary " + id + " is running");
        }
        if (operation.state() == State.RUNNING) {
            return new Refused(
                    Code.UNAVAILABLE,
                    "what became of canary " + id + " under a former coordinator is yet to be found out");
        }
        boolean promote = decision == DecideCanary.Decision.PROMOTE;
        return promote == (operation.state() == State.SUCCEEDED)
                ? operation
                : new Refused(Code.CONFLICT, "canary " + operation.id() + " has ended: it was " + operation.phase());
    }

    void moved(CanaryMoved moved) {
        running.computeIfPresent(
                moved.operation(), (id, canary) -> new Canary(canary.start(), moved, canary.session()));
    }

    /** The ledger has what a canary is about to do. */
    void kept(Receipt.CanaryMove move, boolean durable) {
        Canary canary = running.get(move.operation());
        if (canary != null && canary.session() != null) {
            canary.session().tell(new CanarySession.Kept(move.number(), durable));
        }
    }

    /** How a canary ends whose session stopped without saying so: its engines join what they had. */
    SessionEvent.@Nullable CanaryEnded crashed(Running session) {
        Canary canary = running.get(session.id());
        return canary == null
                ? null
                : new SessionEvent.CanaryEnded(
                        session.crashed(),
                        canary.state().from(),
                        EngineSelection.ofIds(canary.state().workers()),
                        canary.state().from());
    }

    void ended(String id) {
        Canary canary = running.remove(id);
        if (canary != null && canary.session() != null) {
            canary.session().tell(new CanarySession.Close());
        }
    }

    /** Versions of a model that engines may have to go back to. */
    Set<String> versionsNeeded(String model) {
        Set<String> versions = new HashSet<>();
        for (Canary canary : running.values()) {
            if (canary.start().model().equals(model)) {
                versions.add(canary.state().from());
                versions.add(Objects.requireNonNull(canary.start().to()));
            }
        }
        return versions;
    }

    /** As the HTTP API shows them. */
    List<CanaryView> views() {
        List<CanaryView> views = new ArrayList<>();
        running.values().forEach(canary -> views.add(CanaryView.of(canary.start(), canary.state())));
        return views;
    }
}
