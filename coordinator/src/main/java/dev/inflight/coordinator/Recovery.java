package dev.inflight.coordinator;

import akka.actor.typed.ActorRef;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.TimerScheduler;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationStarted;
import dev.inflight.coordinator.update.UpdateStart.Orphan;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.Session;
import dev.inflight.protocol.log.UpdateFields;
import java.time.Duration;
import java.util.HashSet;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * Ends what workers still have of updates that no session runs: at once if all that took part have reported, else when
 * the recovery window is over. Belongs to the coordinator's actor.
 */
final class Recovery {
    /** Enough for every worker that can still be unreachable with an old update. */
    private static final int REMEMBERED_EPOCHS = 1024;

    /** Phases in which a session leaves an update. */
    private static final Set<String> ENDS = Set.of("committed", "aborted");

    private final ActorContext<UpdateCoordinator.Command> context;
    private final TimerScheduler<UpdateCoordinator.Command> timers;
    private final Duration window;
    private final LongFunction<UpdateCoordinator.Command> due;
    private final Operations operations;
    private final VersionLedger ledger;
    private final Sessions sessions;
    private final Starts starts;
    private final LostOperations lost;
    private final SortedMap<Long, Boolean> endedEpochs = new TreeMap<>();
    private final Set<Long> waiting = new HashSet<>();
    private final Set<String> unknownTakenOver = new HashSet<>();
    private final Set<String> takenOver = new HashSet<>();

    /**
     * @param window longest wait for all workers of an update to report
     * @param due what the coordinator is told when the window of an epoch is over
     */
    Recovery(
            ActorContext<UpdateCoordinator.Command> context,
            TimerScheduler<UpdateCoordinator.Command> timers,
            Duration window,
            LongFunction<UpdateCoordinator.Command> due,
            Operations operations,
            VersionLedger ledger,
            Sessions sessions,
            Starts starts,
            LostOperations lost) {
        this.context = context;
        this.timers = timers;
        this.window = window;
        this.due = due;
        this.operations = operations;
        this.ledger = ledger;
        this.sessions = sessions;
        this.starts = starts;
        this.lost = lost;
    }

    void observe(Fleet fleet) {
        Set<Long> unsettled = new TreeSet<>();
        for (FleetWorker worker : fleet.workers().values()) {
            Session session = worker.unfinished();
            if (session != null && operations.running(session.updateId()) == null) {
                unsettled.add(session.epoch());
            }
        }
        for (long epoch : unsettled) {
            if (isComplete(epoch, fleet)) {
                timers.cancel(epoch);
                settle(epoch, fleet);
            } else if (waiting.add(epoch)) {
                timers.startSingleTimer(epoch, due.apply(epoch), window);
            }
        }
    }

    /** What this coordinator itself has ended is not: its workers get the time to end it too. */
    private boolean isComplete(long epoch, Fleet fleet) {
        Orphan orphan = endedEpochs.containsKey(epoch) ? null : Orphans.find(fleet, epoch);
        return orphan != null && Orphans.complete(orphan, fleet, ledger::versions);
    }

    /** Ends an epoch, as it is if need be. */
    void settle(long epoch, Fleet fleet) {
        waiting.remove(epoch);
        Orphan orphan = Orphans.find(fleet, epoch);
        if (orphan != null) {
            if (wasBegunAnew(orphan)) {
                ended(Map.of(epoch, orphan.commit()));
            }
            Boolean committed = endedEpochs.get(epoch);
            if (committed == null) {
                takeOver(orphan, fleet);
            } else {
                WorkerCommand last = committed ? new WorkerCommand.Commit(epoch) : abort(epoch);
                orphan.members().values().forEach(worker -> worker.ref().tell(last));
            }
            observe(fleet);
        }
    }

    /**
     * Whether a former coordinator began this, which none that had reported by then knew, so that this one began the same
     * update again. It has ended, and its record stays as it is; whoever reports late joins what it should have.
     */
    private boolean wasBegunAnew(Orphan orphan) {
        String id = updateId(orphan);
        Operation operation = id == null || takenOver.contains(id) ? null : operations.operation(id);
        return operation != null && ENDS.contains(operation.phase());
    }

    private static @Nullable String updateId(Orphan orphan) {
        return orphan.members().values().stream()
                .map(worker -> worker.state().session())
                .filter(Objects::nonNull)
                .map(Session::updateId)
                .findFirst()
                .orElse(null);
    }

    private WorkerCommand abort(long epoch) {
        ActorRef<WorkerEvent> nobody = context.getSystem().ignoreRef();
        return new WorkerCommand.Abort(epoch, "the update was aborted", nobody);
    }

    private void takeOver(Orphan orphan, Fleet fleet) {
        String id = updateId(orphan);
        if (id == null || operations.running(id) == null) {
            CheckpointRef target = Orphans.target(orphan, ledger::versions);
            OperationStarted known = lost.takeOver(id);
            OperationStarted start = known == null ? starts.unknown(id, target) : known;
            try (UpdateFields fields = UpdateFields.of(start.id(), orphan.epoch())) {
                context.getLog()
                        .warn(
                                "Taking over update {} of epoch {}, commit: {}",
                                start.id(),
                                orphan.epoch(),
                                orphan.commit());
            }
            if (known == null) {
                unknownTakenOver.add(start.id());
            }
            takenOver.add(start.id());
            sessions.takeOver(start, target, orphan, fleet);
        }
    }

    /** Whether the running update was begun by a former coordinator and nobody knows which engines it meant. */
    boolean hasTakenOverUnknown(String id) {
        return unknownTakenOver.contains(id);
    }

    /** @param epochs every epoch the session used, and whether it was committed */
    void ended(Map<Long, Boolean> epochs) {
        endedEpochs.putAll(epochs);
        while (endedEpochs.size() > REMEMBERED_EPOCHS) {
            endedEpochs.remove(endedEpochs.firstKey());
        }
    }

    void forget(String id) {
        unknownTakenOver.remove(id);
    }
}
