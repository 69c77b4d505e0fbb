package dev.inflight.coordinator.publish;

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
import dev.inflight.coordinator.fleet.ShardSet;
import dev.inflight.coordinator.operation.Json;
import dev.inflight.coordinator.session.SessionEvent;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.cluster.HostStoreEvent.InspectRefused;
import dev.inflight.protocol.cluster.HostStoreEvent.Inspected;
import dev.inflight.protocol.cluster.HostStoreEvent.LoadFailed;
import dev.inflight.protocol.cluster.HostStoreEvent.LoadProgress;
import dev.inflight.protocol.cluster.HostStoreEvent.Loaded;
import dev.inflight.protocol.cluster.LeaseId;
import dev.inflight.protocol.cluster.OperationReply;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.OperationReply.Refused.Code;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.ShardRange;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * One publish: asks every host what it sees at the source, has those that see it load their shards, and ends when all
 * agree on the manifest's digest. What a trainer wrote into an arena is held whole by the host that lent it; the others
 * take their shards out of its store.
 */
public final class PublishSession extends AbstractBehavior<PublishSession.Command> {
    private enum State {
        INSPECTING,
        LOADING,
        SPREADING
    }

    /** What the session hears. */
    public sealed interface Command {}

    /** The coordinator's view of the fleet changed. */
    public record FleetChanged(Fleet fleet) implements Command {}

    private record FromHost(HostStoreEvent event) implements Command {}

    private enum Tick implements Command {
        TIMEOUT,
        STALLED,
        REPORT
    }

    private final TimerScheduler<Command> timers;
    private final PublishStart start;
    private final ActorRef<HostStoreEvent> hostEvents;
    private final SortedMap<String, FleetHost> hosts = new TreeMap<>();
    private final Inspection inspection;

    /** Host that lent the arena the checkpoint is in; null if it is in files. */
    private final @Nullable String lender;

    private final long startNanos;
    private State state = State.INSPECTING;
    private Fleet fleet;
    private @Nullable Loading loading;
    private @Nullable Loading spread;
    private @Nullable LoadAnswers answers;
    private SessionEvent.@Nullable Running reported;

    private PublishSession(ActorContext<Command> context, TimerScheduler<Command> timers, PublishStart start) {
        super(context);
        this.timers = timers;
        this.start = start;
        this.fleet = start.fleet();
        this.startNanos = start.nanoTime().getAsLong();
        this.hostEvents = context.messageAdapter(HostStoreEvent.class, FromHost::new);
        this.hosts.putAll(start.fleet().hosts());
        this.hosts.keySet().retainAll(workersByHost(hosts, worker -> true).keySet());
        LeaseId lease = LeaseId.ofSource(start.source());
        this.lender = lease == null ? null : lease.host();
        this.inspection = new Inspection(start.source(), asked());
    }

    public static Behavior<Command> create(PublishStart start) {
        return Behaviors.setup(
                context -> Behaviors.withTimers(timers -> new PublishSession(context, timers, start).inspect()));
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(FleetChanged.class, this::onFleetChanged)
                .onMessage(FromHost.class, this::onHost)
                .onMessage(Tick.class, this::onTick)
                .build();
    }

    private Behavior<Command> inspect() {
        if (hosts.isEmpty()) {
            return refuse(new Refused(Code.UNAVAILABLE, "no host with a GPU worker has joined"));
        }
        if (asked().isEmpty()) {
            return refuse(new Refused(Code.NOT_FOUND, "source: no live worker host is named " + lender));
        }
        HostStoreCommand inspect = new HostStoreCommand.Inspect(start.id(), start.source(), hostEvents);
        asked().forEach(host -> tell(host, inspect));
        timers.startSingleTimer(Tick.TIMEOUT, start.settings().inspectTimeout());
        return this;
    }

    /** Hosts that may see the source. */
    private Set<String> asked() {
        Set<String> asked = new TreeSet<>(hosts.keySet());
        if (lender != null) {
            asked.retainAll(Set.of(lender));
        }
        return asked;
    }

    private void tell(String host, HostStoreCommand command) {
        Objects.requireNonNull(hosts.get(host)).ref().tell(command);
    }

    private Behavior<Command> onFleetChanged(FleetChanged changed) {
        fleet = changed.fleet();
        for (FleetHost host : List.copyOf(hosts.values())) {
            if (fleet.isLiveHost(host.name(), host.ref())) {
                continue;
            }
            hosts.remove(host.name());
            inspection.lost(host.name());
            if (answers != null && answers.expects(host.name())) {
                return fail("host " + host.name() + " was lost while it loaded its shards; publish again");
            }
        }
        return state == State.INSPECTING ? judge() : this;
    }

    private Behavior<Command> onHost(FromHost from) {
        if (loading != null && answers != null) {
            return onLoading(from.event(), loading, answers);
        }
        return switch (from.event()) {
            case Inspected inspected -> {
                inspection.on(inspected);
                yield judge();
            }
            case InspectRefused refused -> {
                inspection.on(refused);
                yield judge();
            }
            default -> this;
        };
    }

    private Behavior<Command> onLoading(HostStoreEvent event, Loading chosen, LoadAnswers all) {
        return switch (event) {
            case LoadProgress progress -> {
                if (all.on(progress)) {
                    restartStallTimer();
                }
                yield this;
            }
            case Loaded done -> all.expects(done.host()) ? onLoaded(done, chosen, all) : this;
            case LoadFailed failed -> fail("host " + failed.host() + ": " + failed.message());
            default -> this;
        };
    }

    private Behavior<Command> onTick(Tick tick) {
        return switch (tick) {
            case REPORT -> {
                report();
                yield this;
            }
            case STALLED ->
                fail("no host loaded anything for "
                        + start.settings().stallTimeout().toMillis() + " ms");
            case TIMEOUT -> onTimeout();
        };
    }

    private Behavior<Command> onTimeout() {
        if (answers == null) {
            inspection.waitingFor().forEach(inspection::lost);
            return judge();
        }
        return fail(
                "not loaded within " + start.settings().loadTimeout().toMillis() + " ms on " + answers.waitingFor());
    }

    private Behavior<Command> judge() {
        if (!inspection.complete()) {
            return this;
        }
        Refused refusal = inspection.refusal();
        if (refusal != null) {
            return refuse(refusal);
        }
        CheckpointRef known = start.known();
        if (known != null && inspection.differsFrom(known)) {
            return refuse(new Refused(
                    Code.CONFLICT,
                    named() + " is published with digest " + known.digest() + "; " + start.source()
                            + " holds other tensors (layout digest "
                            + inspection.seen().firstEntry().getValue().layoutDigest() + ")"));
        }
        return load(known);
    }

    private Behavior<Command> load(@Nullable CheckpointRef known) {
        SortedMap<String, Integer> workers = placement(inspection.seen());
        if (workers.isEmpty()) {
            return refuse(new Refused(Code.UNAVAILABLE, "no host that sees " + start.source() + " has a GPU worker"));
        }
        Map<String, String> endpoints = new HashMap<>();
        hosts.forEach((name, host) -> endpoints.put(name, host.endpoint()));
        Inspected seen = inspection.seen().firstEntry().getValue();
        boolean whole = fleet.workers().values().stream()
                .map(FleetWorker::engine)
                .anyMatch(engine -> engine != null && engine.model().equals(start.model()) && engine.wholeTensors());
        // Published again, equal bytes must become equal shards.
        CheckpointRef equal = known != null ? known : twin(whole);
        Loading chosen = loading(seen, lender == null ? workers : placement(hosts), endpoints, equal, whole);
        if (lender != null) {
            spread = chosen.without(lender);
            chosen = chosen.allOn(lender, endpoints.getOrDefault(lender, ""));
        }
        loading = chosen;
        answers = new LoadAnswers(chosen);
        state = State.LOADING;
        HostStoreCommand load = new HostStoreCommand.Load(
                start.id(),
                start.model(),
                start.version(),
                start.source(),
                seen.layoutDigest(),
                chosen.shardCount(),
                chosen.maxPartBytes(),
                chosen.holders(),
                start.spare(),
                hostEvents);
        chosen.holders().forEach(holder -> tell(holder.host(), load));
        timers.startSingleTimer(Tick.TIMEOUT, start.settings().loadTimeout());
        timers.startTimerWithFixedDelay(Tick.REPORT, start.settings().progressInterval());
        restartStallTimer();
        report();
        return this;
    }

    private Loading loading(
            Inspected seen,
            SortedMap<String, Integer> workers,
            Map<String, String> endpoints,
            @Nullable CheckpointRef equal,
            boolean wholeTensors) {
        return equal != null
                ? Loading.spread(equal.shardCount(), equal.maxPartBytes(), workers, endpoints)
                : Loading.forWorkers(
                        workers,
                        endpoints,
                        new Loading.Sizes(seen.tensors(), seen.bytes(), seen.largestTensorBytes()),
                        wholeTensors,
                        start.settings().maxPartBytes());
    }

    /**
     * A version published from this very source, if one is known. Lost shards are loaded from a source again, so it must
     * not change while its version is kept: the same place and sizes mean the same bytes.
     */
    private @Nullable CheckpointRef twin(boolean wholeTensors) {
        return start.published().stream()
                .filter(other -> other.source().equals(start.source()) && !inspection.differsFrom(other))
                .filter(other -> !wholeTensors || other.largestTensorBytes() <= other.maxPartBytes())
                .findFirst()
                .orElse(null);
    }

    private Behavior<Command> onLoaded(Loaded done, Loading chosen, LoadAnswers all) {
        all.on(done);
        restartStallTimer();
        if (!all.waitingFor().isEmpty()) {
            return this;
        }
        String disagreement = all.disagreement();
        if (disagreement != null) {
            return fail(disagreement);
        }
        CheckpointRef known = start.known();
        if (known != null && !known.digest().equals(all.digest())) {
            return fail(named() + " is published with digest " + known.digest() + "; " + start.source() + " has digest "
                    + all.digest() + "; publish it under another version");
        }
        CheckpointRef checkpoint = checkpoint(chosen, all.digest());
        if (state == State.LOADING && lender != null && spread != null) {
            // Who was lost meanwhile is not needed: the lending host has everything.
            spread = spread.on(hosts.keySet());
            if (!spread.holders().isEmpty()) {
                return spread(checkpoint, lender, spread, all);
            }
        }
        return succeed(checkpoint, chosen, all);
    }

    private CheckpointRef checkpoint(Loading chosen, String digest) {
        Inspected seen = inspection.seen().firstEntry().getValue();
        return new CheckpointRef(
                start.model(),
                start.version(),
                digest,
                start.source(),
                chosen.shardCount(),
                chosen.maxPartBytes(),
                seen.tensors(),
                seen.bytes(),
                seen.largestTensorBytes());
    }

    /** Has the other hosts take their shards out of the lending host's store. */
    private Behavior<Command> spread(CheckpointRef checkpoint, String from, Loading rest, LoadAnswers all) {
        state = State.SPREADING;
        all.expect(rest);
        FleetHost source = Objects.requireNonNull(hosts.get(from));
        List<Membership.Host> sources = List.of(new Membership.Host(
                from,
                source.endpoint(),
                List.of(new ShardRange(0, checkpoint.shardCount() - 1)),
                source.place(),
                List.of(),
                0));
        rest.holders()
                .forEach(holder -> tell(
                        holder.host(),
                        new HostStoreCommand.Restore(start.id(), checkpoint, holder.shards(), sources, hostEvents)));
        report();
        return this;
    }

    private Behavior<Command> succeed(CheckpointRef checkpoint, Loading chosen, LoadAnswers all) {
        Inspected seen = inspection.seen().firstEntry().getValue();
        PublishResult result = new PublishResult(
                start.model(),
                start.version(),
                all.digest(),
                seen.bytes(),
                seen.tensors(),
                (start.nanoTime().getAsLong() - startNanos) / 1e9,
                inspection.inPlace(all.hosts()),
                all.longestTouchMicros() / 1e6,
                all.longestRegisterMicros() / 1e6,
                List.copyOf(all.hosts()));
        start.parent()
                .tell(new SessionEvent.PublishEnded(
                        operation(OperationReply.State.SUCCEEDED, "published", null, Json.write(result)),
                        checkpoint,
                        Set.of(all.digest()),
                        shown -> isVisible(checkpoint, chosen, shown)
                                && (spread == null || isVisible(checkpoint, spread, shown))));
        return Behaviors.stopped();
    }

    private static boolean isVisible(CheckpointRef checkpoint, Loading chosen, Fleet fleet) {
        return chosen.holders().stream().allMatch(holder -> {
            FleetHost host = fleet.hosts().get(holder.host());
            return host == null
                    || ShardSet.of(holder.shards())
                            .minus(host.shards(checkpoint))
                            .isEmpty();
        });
    }

    private Behavior<Command> fail(String error) {
        // What this publish loaded must not stay unless a version has it: the coordinator's ledger knows.
        Set<String> loaded = answers == null
                ? Set.of()
                : answers.loaded().stream().map(Loaded::digest).collect(Collectors.toSet());
        start.parent()
                .tell(new SessionEvent.PublishEnded(
                        operation(OperationReply.State.FAILED, "failed", error, null), null, loaded, fleet -> true));
        return Behaviors.stopped();
    }

    private Behavior<Command> refuse(Refused refused) {
        start.parent().tell(new SessionEvent.NotTaken(start.id(), refused));
        return Behaviors.stopped();
    }

    /**
     * Where shards are to lie: not behind workers whose engines are all of other models, if there are others, since
     * updates of both models would then need the same workers and could not run at a time.
     */
    private SortedMap<String, Integer> placement(Map<String, ?> among) {
        SortedMap<String, Integer> own =
                workersByHost(among, worker -> worker.engine() == null || worker.serves(start.model()));
        return own.isEmpty() ? workersByHost(among, worker -> true) : own;
    }

    private SortedMap<String, Integer> workersByHost(Map<String, ?> among, Predicate<FleetWorker> which) {
        SortedMap<String, Integer> count = new TreeMap<>();
        for (FleetWorker worker : fleet.workers().values()) {
            if (among.containsKey(worker.host()) && which.test(worker)) {
                count.merge(worker.host(), 1, Integer::sum);
            }
        }
        return count;
    }

    private void restartStallTimer() {
        timers.startSingleTimer(Tick.STALLED, start.settings().stallTimeout());
    }

    private void report() {
        SessionEvent.Running running = new SessionEvent.Running(
                operation(OperationReply.State.RUNNING, state.name().toLowerCase(Locale.ROOT), null, null));
        if (!running.equals(reported)) {
            reported = running;
            start.parent().tell(running);
        }
    }

    private Operation operation(
            OperationReply.State operationState, String phase, @Nullable String error, @Nullable String resultJson) {
        long total = inspection.seen().isEmpty()
                ? 0
                : inspection.seen().firstEntry().getValue().bytes();
        return new Operation(
                start.id(),
                "publish",
                operationState,
                phase,
                answers == null ? 0 : answers.doneBytes(),
                total,
                error,
                resultJson);
    }

    private String named() {
        return "version " + start.version() + " of model " + start.model();
    }
}
