package dev.inflight.coordinator.verify;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.javadsl.TimerScheduler;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetHost;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.coordinator.session.SessionEvent;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent;
import dev.inflight.protocol.cluster.WorkerEvent.Verified;
import dev.inflight.protocol.plan.Membership;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** One verification: asks every worker with an engine of the model and ends when all have answered or are lost. */
public final class VerifySession extends AbstractBehavior<VerifySession.Command> {
    private enum State {
        VERIFYING,
        DONE
    }

    /** What the session hears. */
    public sealed interface Command {}

    /** The coordinator's view of the fleet changed. */
    public record FleetChanged(Fleet fleet) implements Command {}

    private record FromWorker(WorkerEvent event) implements Command {}

    private enum Timeout implements Command {
        INSTANCE
    }

    /**
     * What a session begins with.
     *
     * @param group which engines; null for all of the model
     * @param versions published versions of the model, by name
     * @param parent hears of the end
     */
    public record Start(
            String id,
            String model,
            @Nullable String group,
            Map<String, CheckpointRef> versions,
            Fleet fleet,
            VerifySettings settings,
            ActorRef<SessionEvent> parent) {
        public Start {
            versions = Map.copyOf(versions);
        }
    }

    private final Start start;
    private final ActorRef<WorkerEvent> workerEvents;
    private final SortedMap<String, FleetWorker> waitingFor = new TreeMap<>();
    private final SortedMap<String, VerifyResult.EngineResult> results = new TreeMap<>();
    private State state = State.VERIFYING;

    private VerifySession(ActorContext<Command> context, TimerScheduler<Command> timers, Start start) {
        super(context);
        this.start = start;
        this.workerEvents = context.messageAdapter(WorkerEvent.class, FromWorker::new);
        timers.startSingleTimer(Timeout.INSTANCE, start.settings().timeout());
    }

    public static Behavior<Command> create(Start start) {
        return Behaviors.setup(
                context -> Behaviors.withTimers(timers -> new VerifySession(context, timers, start).begin()));
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(FleetChanged.class, this::onFleetChanged)
                .onMessage(FromWorker.class, this::onWorker)
                .onMessage(Timeout.class, timeout -> onTimeout())
                .build();
    }

    private Behavior<Command> begin() {
        List<FleetWorker> asked = start.fleet().workers().values().stream()
                .filter(worker -> worker.serves(start.model()) && worker.isIn(start.group()))
                .toList();
        if (asked.isEmpty()) {
            start.parent()
                    .tell(new SessionEvent.NotTaken(
                            start.id(),
                            new Refused(
                                    Refused.Code.UNAVAILABLE,
                                    "no engine of model " + start.model()
                                            + (start.group() == null ? "" : " in group " + start.group())
                                            + " is attached to a live worker")));
            return Behaviors.stopped();
        }
        start.parent().tell(new SessionEvent.Running(operation(OperationReply.State.RUNNING, null, null)));
        asked.forEach(this::ask);
        return endIfComplete();
    }

    private void ask(FleetWorker worker) {
        EngineStatus engine = worker.engine();
        CheckpointRef checkpoint = engine == null || engine.version() == null
                ? null
                : start.versions().get(engine.version());
        if (engine == null || engine.state() != EngineStatus.State.SERVING) {
            conclude(
                    worker,
                    "the engine is " + (engine == null ? "gone" : engine.state().name()) + ", not SERVING");
        } else if (checkpoint == null) {
            conclude(worker, "version " + engine.version() + " is not published, so there is nothing to compare with");
        } else {
            waitingFor.put(worker.id(), worker);
            worker.ref()
                    .tell(new WorkerCommand.Verify(start.id(), checkpoint, holders(checkpoint, worker), workerEvents));
        }
    }

    /** Hosts that hold shards, and the asking worker's own. */
    private Membership holders(CheckpointRef checkpoint, FleetWorker worker) {
        List<Membership.Host> hosts = new ArrayList<>();
        int own = 0;
        for (FleetHost host : start.fleet().hosts().values()) {
            boolean isOwn = host.name().equals(worker.host());
            if (isOwn) {
                own = hosts.size();
            }
            if (isOwn || !host.shards(checkpoint).isEmpty()) {
                hosts.add(new Membership.Host(
                        host.name(), host.endpoint(), host.shards(checkpoint).ranges()));
            }
        }
        return new Membership(hosts, List.of(new Membership.Worker(worker.id(), own, true)));
    }

    private Behavior<Command> onWorker(FromWorker from) {
        if (from.event() instanceof Verified verified
                && verified.verifyId().equals(start.id())
                && waitingFor.remove(verified.worker()) != null) {
            results.put(
                    verified.worker(),
                    new VerifyResult.EngineResult(
                            verified.engine(),
                            verified.worker(),
                            verified.version(),
                            verified.tensors(),
                            verified.mismatches(),
                            verified.mismatched(),
                            verified.error(),
                            verified.files()));
        }
        return endIfComplete();
    }

    private Behavior<Command> onFleetChanged(FleetChanged changed) {
        for (FleetWorker worker : List.copyOf(waitingFor.values())) {
            if (!changed.fleet().isLive(worker.id(), worker.ref())) {
                conclude(worker, "worker " + worker.id() + " was lost");
            }
        }
        return endIfComplete();
    }

    private Behavior<Command> onTimeout() {
        String error = "no answer within " + start.settings().timeout().toMillis() + " ms";
        List.copyOf(waitingFor.values()).forEach(worker -> conclude(worker, error));
        return endIfComplete();
    }

    private void conclude(FleetWorker worker, String error) {
        waitingFor.remove(worker.id());
        EngineStatus engine = worker.engine();
        results.put(
                worker.id(),
                new VerifyResult.EngineResult(
                        engine == null ? null : engine.engine(),
                        worker.id(),
                        engine == null ? null : engine.version(),
                        0,
                        0,
                        List.of(),
                        error,
                        List.of()));
    }

    private Behavior<Command> endIfComplete() {
        if (!waitingFor.isEmpty()) {
            return this;
        }
        state = State.DONE;
        List<VerifyResult.EngineResult> engines = List.copyOf(results.values());
        boolean verified = engines.stream().allMatch(VerifyResult.EngineResult::verified);
        List<@Nullable String> versions = new ArrayList<>();
        engines.stream().map(VerifyResult.EngineResult::version).distinct().forEach(versions::add);
        VerifyResult result = new VerifyResult(verified, versions.size() == 1 ? versions.getFirst() : null, engines);
        String error = verified
                ? null
                : "engines that differ or could not be compared: "
                        + engines.stream()
                                .filter(engine -> !engine.verified())
                                .map(VerifyResult.EngineResult::worker)
                                .toList();
        start.parent()
                .tell(new SessionEvent.VerifyEnded(operation(
                        verified ? OperationReply.State.SUCCEEDED : OperationReply.State.FAILED,
                        error,
                        Json.write(result))));
        return Behaviors.stopped();
    }

    private Operation operation(
            OperationReply.State operationState, @Nullable String error, @Nullable String resultJson) {
        String phase = state == State.VERIFYING ? "verifying" : "done";
        return new Operation(start.id(), "verify", operationState, phase, 0, 0, error, resultJson);
    }
}
