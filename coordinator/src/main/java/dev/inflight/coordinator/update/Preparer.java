package dev.inflight.coordinator.update;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetHost;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.coordinator.fleet.JoinSources;
import dev.inflight.coordinator.fleet.ShardSet;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.Exchange;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import dev.inflight.protocol.cluster.OperationReply.Refused.Code;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Ownership;
import dev.inflight.protocol.plan.Place;
import dev.inflight.protocol.plan.PlanException;
import dev.inflight.protocol.plan.SlotLadder;
import dev.inflight.protocol.plan.Slots;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Decides who takes part in an update, in which mode, with which slots and over which exchange. A pure function of the fleet.
 *
 * <p>Sources are the receivers on hosts that hold shards. Of a holding host without a receiver all idle workers without
 * an engine take part, or else one idle worker whose engine serves another model.
 */
final class Preparer {
    private final Fleet fleet;
    private final UpdateRequest request;
    private final CheckpointRef checkpoint;
    private final Map<String, ShardSet> restored;
    private final Predicate<String> usable;
    private final Set<String> idle;
    private final Map<String, String> taken;
    private final boolean restoring;
    private final JoinView joins;
    private final UpdateSettings settings;

    /**
     * What a join must know of others.
     *
     * @param id this update's id
     */
    record JoinView(String id, JoinSources sources) {}

    /**
     * @param restored shards that hosts loaded again, which their own reports may not show yet
     * @param usable which workers may take part; the others are left out as if they were not there
     * @param idle workers that said they ended their update, which their fleet state may not show yet
     * @param taken workers that take part in other running updates, with those updates' ids
     * @param restoring whether engines wait for this without weights: then shards on taken workers' hosts count as lost
     *     and are loaded again elsewhere, rather than waited for
     * @param joins which hosts running joins were pointed at
     */
    Preparer(
            Fleet fleet,
            UpdateRequest request,
            Map<String, ShardSet> restored,
            Predicate<String> usable,
            Set<String> idle,
            Map<String, String> taken,
            boolean restoring,
            JoinView joins,
            UpdateSettings settings) {
        this.fleet = fleet;
        this.request = request;
        this.checkpoint = request.checkpoint();
        this.restored = restored;
        this.usable = usable;
        this.idle = idle;
        this.taken = taken;
        this.restoring = restoring;
        this.joins = joins;
        this.settings = settings;
    }

    /** @param only the workers whose engines shall take the weights; empty for all that the request selects */
    Preparation prepare(Set<String> only) {
        List<FleetWorker> receivers = new ArrayList<>();
        SortedMap<String, EngineStatus> failed = new TreeMap<>();
        for (FleetWorker worker : fleet.workers().values()) {
            EngineStatus engine = worker.engine();
            if (engine == null || !request.selects(worker) || !(only.isEmpty() || only.contains(worker.id()))) {
                continue;
            }
            if (engine.state() == EngineStatus.State.FAILED) {
                failed.put(worker.id(), engine);
            } else if (usable.test(worker.id())) {
                if (taken.containsKey(worker.id())) {
                    return no(
                            Code.CONFLICT,
                            "worker " + worker.id() + " takes part in update " + taken.get(worker.id())
                                    + "; try again when it has ended");
                }
                if (busy(worker)) {
                    return no(
                            Code.UNAVAILABLE,
                            "worker " + worker.id() + " has not ended an earlier update yet; try again");
                }
                receivers.add(worker);
            }
        }
        if (receivers.isEmpty()) {
            return noEngine(failed);
        }
        return choose(receivers, failed);
    }

    private Preparation choose(List<FleetWorker> receivers, SortedMap<String, EngineStatus> failed) {
        LoadMode mode = request.mode() != null ? request.mode() : commonMode(receivers);
        if (request.standby() && mode == LoadMode.SHADOW && receivers.stream().allMatch(this::hasStandingBy)) {
            return swapBack(receivers, failed);
        }
        for (FleetWorker worker : receivers) {
            EngineStatus engine = worker.engine();
            if (engine != null && !engine.modes().contains(mode)) {
                return no(
                        Code.INVALID,
                        "engine " + engine.engine() + " of worker " + worker.id() + " does not support mode "
                                + mode.label() + "; it supports "
                                + engine.modes().stream().map(LoadMode::label).toList());
            }
            if (engine != null
                    && engine.wholeTensors()
                    && checkpoint.largestTensorBytes() > checkpoint.maxPartBytes()) {
                return no(
                        Code.INVALID,
                        "engine " + engine.engine() + " takes tensors only whole, but version " + checkpoint.version()
                                + " was published with tensors over " + checkpoint.maxPartBytes()
                                + " bytes split; publish it again under another version while the engine is attached");
            }
        }
        if (request.strategy() == Strategy.P2P) {
            return join(receivers.getFirst(), mode, failed);
        }
        SortedMap<String, FleetWorker> members = new TreeMap<>();
        receivers.forEach(worker -> members.put(worker.id(), worker));
        ShardSet held = ShardSet.EMPTY;
        for (FleetHost host : fleet.hosts().values()) {
            ShardSet shards = shards(host);
            List<FleetWorker> sources = sources(host, receivers);
            if (!shards.isEmpty() && !sources.isEmpty()) {
                sources.forEach(worker -> members.put(worker.id(), worker));
                held = held.plus(shards);
            }
        }
        ShardSet lost = ShardSet.all(checkpoint.shardCount()).minus(held);
        if (lost.isEmpty()) {
            return ready(receivers, members, mode, failed);
        }
        String conflict = restoring ? null : conflict(lost);
        return conflict == null ? shardsLost(lost, receivers) : no(Code.CONFLICT, conflict);
    }

    /** Whether the very same checkpoint stands by in a worker's engine, under whatever version. */
    private boolean hasStandingBy(FleetWorker worker) {
        EngineStatus engine = worker.engine();
        return engine != null
                && engine.standby() != null
                && engine.standby().digest().equals(checkpoint.digest());
    }

    /** Every engine has it already, so nobody sends anything and nobody is needed by another. */
    private Preparation swapBack(List<FleetWorker> receivers, SortedMap<String, EngineStatus> failed) {
        SortedMap<String, FleetWorker> members = new TreeMap<>();
        receivers.forEach(worker -> members.put(worker.id(), worker));
        TreeSet<String> ids = new TreeSet<>(members.keySet());
        Membership membership = membership(members, ids);
        if (membership == null) {
            return no(Code.UNAVAILABLE, "the host store of a taking part worker is not there; try again");
        }
        return new Preparation.Ready(
                membership,
                new Slots(0, 0, "nothing is sent"),
                LoadMode.SHADOW,
                Strategy.STANDBY,
                ExchangeChoice.forStandby(),
                members,
                ids,
                Set.of(),
                Map.of(),
                failed);
    }

    /** Which shards are there, but only behind workers of another update; null if none. */
    private @Nullable String conflict(ShardSet missing) {
        for (FleetWorker worker : fleet.workers().values()) {
            FleetHost host = fleet.hosts().get(worker.host());
            String update = taken.get(worker.id());
            if (host != null && update != null && !shards(host).and(missing).isEmpty()) {
                return "shards " + shards(host).and(missing).ranges() + " of version " + checkpoint.version()
                        + " are on host " + host.name() + ", whose worker " + worker.id() + " takes part in update "
                        + update + "; try again when it has ended";
            }
        }
        return null;
    }

    private Preparation ready(
            List<FleetWorker> receivers,
            SortedMap<String, FleetWorker> members,
            LoadMode mode,
            SortedMap<String, EngineStatus> failed) {
        TreeSet<String> ids = new TreeSet<>();
        receivers.forEach(worker -> ids.add(worker.id()));
        Membership membership = membership(members, ids);
        if (membership == null) {
            return no(Code.UNAVAILABLE, "the host store of a taking part worker is not there; try again");
        }
        try {
            Map<String, ShardSet> owned = new TreeMap<>();
            Ownership.assign(checkpoint.shardCount(), membership)
                    .forEach(owner -> owned.put(owner.worker(), ShardSet.ofIndexes(owner.shards())));
            Slots slots = slots(members.values(), receivers, owned.size());
            CastReach reach = CastReach.of(membership, owned.keySet(), this::place);
            ExchangeChoice exchange = request.limits(mode).isEmpty()
                    ? ExchangeChoice.of(settings.exchange(), members.values(), reach, restoring)
                    : ExchangeChoice.forLimited();
            // A broadcast can not go on without one of its ranks, whether it sends or not.
            boolean nccl = exchange.exchange() == Exchange.NCCL;
            return new Preparation.Ready(
                    membership,
                    slots,
                    mode,
                    request.strategy(),
                    exchange,
                    members,
                    ids,
                    nccl ? members.keySet() : owned.keySet(),
                    nccl ? Map.of() : owned,
                    failed);
        } catch (PlanException | ExchangeChoice.NotPossibleException e) {
            return no(Code.INVALID, String.valueOf(e.getMessage()));
        }
    }

    private Place place(String host) {
        FleetHost known = fleet.hosts().get(host);
        return known == null ? Place.UNKNOWN : known.place();
    }

    /** @throws PlanException if not even one slot fits */
    private Slots slots(Collection<FleetWorker> members, List<FleetWorker> receivers, int owners) {
        long budget = members.stream()
                .mapToLong(worker -> worker.state().slotBudgetBytes())
                .min()
                .orElseThrow();
        boolean whole = receivers.stream().map(FleetWorker::engine).anyMatch(e -> e != null && e.wholeTensors());
        return SlotLadder.choose(
                budget,
                settings.maxSlotBytes(),
                settings.minSlotBytes(),
                settings.maxSlots(),
                checkpoint.bytes(),
                checkpoint.largestTensorBytes(),
                whole,
                Math.max(1, owners));
    }

    /** Its host takes what it lacks from the others' stores, and the engine's worker then owns every shard. */
    private Preparation join(FleetWorker joiner, LoadMode mode, SortedMap<String, EngineStatus> failed) {
        FleetHost own = fleet.hosts().get(joiner.host());
        if (own == null) {
            return no(Code.UNAVAILABLE, "the host store of worker " + joiner.id() + " is not there");
        }
        JoinMembership known = new JoinMembership(joiner, own, checkpoint, restored, fleet);
        if (!known.lost().isEmpty()) {
            List<String> holders = new ArrayList<>();
            List<String> others = new ArrayList<>();
            fleet.hosts().values().forEach(host -> (shards(host).isEmpty() ? others : holders).add(host.name()));
            return new Preparation.ShardsLost(known.lost(), holders, others);
        }
        Set<String> self = Set.of(joiner.id());
        try {
            return new Preparation.Ready(
                    known.membership(joins.id(), joins.sources()),
                    slots(List.of(joiner), List.of(joiner), 1),
                    mode,
                    Strategy.P2P,
                    ExchangeChoice.forJoin(),
                    new TreeMap<>(Map.of(joiner.id(), joiner)),
                    new TreeSet<>(self),
                    self,
                    Map.of(),
                    failed);
        } catch (PlanException e) {
            return no(Code.INVALID, String.valueOf(e.getMessage()));
        }
    }

    /** Hosts in it hold shards or have a member; null if a member's host store is not in the fleet. */
    private @Nullable Membership membership(SortedMap<String, FleetWorker> members, Set<String> receivers) {
        TreeSet<String> names = new TreeSet<>();
        members.values().forEach(worker -> names.add(worker.host()));
        List<Membership.Host> hosts = new ArrayList<>();
        for (String name : names) {
            FleetHost host = fleet.hosts().get(name);
            if (host == null) {
                return null;
            }
            hosts.add(new Membership.Host(name, host.endpoint(), shards(host).ranges()));
        }
        List<String> order = List.copyOf(names);
        List<Membership.Worker> workers = members.values().stream()
                .map(worker -> new Membership.Worker(
                        worker.id(), order.indexOf(worker.host()), receivers.contains(worker.id())))
                .toList();
        return new Membership(hosts, workers);
    }

    private Preparation shardsLost(ShardSet lost, List<FleetWorker> receivers) {
        List<String> holders = new ArrayList<>();
        List<String> others = new ArrayList<>();
        for (FleetHost host : fleet.hosts().values()) {
            if (!sources(host, receivers).isEmpty()) {
                (shards(host).isEmpty() ? others : holders).add(host.name());
            }
        }
        return new Preparation.ShardsLost(lost, holders, others);
    }

    private ShardSet shards(FleetHost host) {
        return host.shards(checkpoint).plus(restored.getOrDefault(host.name(), ShardSet.EMPTY));
    }

    private List<FleetWorker> sources(FleetHost host, Collection<FleetWorker> receivers) {
        List<FleetWorker> own =
                receivers.stream().filter(w -> w.host().equals(host.name())).toList();
        if (!own.isEmpty()) {
            return own;
        }
        List<FleetWorker> idle = fleet.workers().values().stream()
                .filter(w -> w.host().equals(host.name()) && !busy(w) && usable.test(w.id()))
                .toList();
        List<FleetWorker> free = idle.stream().filter(w -> w.engine() == null).toList();
        return free.isEmpty() ? idle.stream().limit(1).toList() : free;
    }

    private boolean busy(FleetWorker worker) {
        if (taken.containsKey(worker.id())) {
            return true;
        }
        EngineStatus engine = worker.engine();
        return !idle.contains(worker.id())
                && (worker.unfinished() != null || (engine != null && engine.state() == EngineStatus.State.UPDATING));
    }

    /** An engine that serves nothing need not hold two versions to join. */
    private LoadMode commonMode(List<FleetWorker> receivers) {
        boolean idleJoiner = request.strategy() == Strategy.P2P
                && receivers.stream()
                        .map(FleetWorker::engine)
                        .allMatch(e -> e != null
                                && e.state() == EngineStatus.State.PENDING_WEIGHTS
                                && e.modes().contains(LoadMode.IN_PLACE));
        if (idleJoiner) {
            return LoadMode.IN_PLACE;
        }
        boolean shadow = receivers.stream()
                .map(FleetWorker::engine)
                .allMatch(e -> e != null && e.modes().contains(LoadMode.SHADOW));
        return shadow ? LoadMode.SHADOW : LoadMode.IN_PLACE;
    }

    private Preparation noEngine(Map<String, EngineStatus> failed) {
        String of = "engine of model " + checkpoint.model()
                + (request.group() == null ? "" : " in group " + request.group());
        return failed.isEmpty()
                ? no(Code.UNAVAILABLE, "no " + of + " is attached to a live worker")
                : no(Code.UNAVAILABLE, "every " + of + " has failed: " + failed.keySet() + "; restart them");
    }

    private static Preparation no(Code code, String message) {
        return new Preparation.No(new Refused(code, message));
    }
}
