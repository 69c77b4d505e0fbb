package dev.inflight.coordinator.fleet;

import akka.actor.Address;
import akka.actor.typed.ActorRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent.HostState;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent.WorkerState;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * An immutable view of the live hosts and workers. Only those that have reported and whose member is reachable are in
 * it; of two that use the same name (a restarted one and its predecessor) the newer counts.
 */
public final class Fleet {
    public static final Fleet EMPTY = new Fleet(Map.of(), Map.of(), Map.of(), Set.of());

    private final Map<ActorRef<HostStoreCommand>, Optional<HostState>> hostStates;
    private final Map<ActorRef<WorkerCommand>, Optional<WorkerState>> workerStates;
    private final Map<ActorRef<WorkerCommand>, EngineStatus> lastServing;
    private final Set<Address> unreachable;
    private final SortedMap<String, FleetHost> hosts;
    private final SortedMap<String, FleetWorker> workers;

    private Fleet(
            Map<ActorRef<HostStoreCommand>, Optional<HostState>> hostStates,
            Map<ActorRef<WorkerCommand>, Optional<WorkerState>> workerStates,
            Map<ActorRef<WorkerCommand>, EngineStatus> lastServing,
            Set<Address> unreachable) {
        this.hostStates = hostStates;
        this.workerStates = workerStates;
        this.lastServing = lastServing;
        this.unreachable = unreachable;
        SortedMap<String, FleetHost> liveHosts = new TreeMap<>();
        hostStates.forEach((ref, state) -> state.filter(reported -> reachable(ref))
                .ifPresent(reported -> liveHosts.put(reported.host(), new FleetHost(ref, reported))));
        SortedMap<String, FleetWorker> liveWorkers = new TreeMap<>();
        workerStates.forEach((ref, state) -> state.filter(reported -> reachable(ref))
                .ifPresent(reported -> liveWorkers.put(reported.worker(), new FleetWorker(ref, reported))));
        this.hosts = Collections.unmodifiableSortedMap(liveHosts);
        this.workers = Collections.unmodifiableSortedMap(liveWorkers);
    }

    /** Live hosts by name. */
    public SortedMap<String, FleetHost> hosts() {
        return hosts;
    }

    /** Whether a worker's host is about to stop. */
    public boolean isLeaving(FleetWorker worker) {
        FleetHost host = hosts.get(worker.host());
        return host != null && host.leaving();
    }

    /** Live workers by id. */
    public SortedMap<String, FleetWorker> workers() {
        return workers;
    }

    /**
     * The last state of a worker's engine in which it had a version, as far as this coordinator has seen one; null if
     * none, or if it served another model.
     */
    public @Nullable EngineStatus lastServing(String worker, String model) {
        FleetWorker live = workers.get(worker);
        EngineStatus last = live == null ? null : lastServing.get(live.ref());
        return last != null && last.model().equals(model) ? last : null;
    }

    /** Versions that engines of a model were last seen to have, those out of reach and detached ones included. */
    public Set<String> versionsSeen(String model) {
        Set<String> versions = new HashSet<>();
        for (EngineStatus engine : lastServing.values()) {
            if (engine.model().equals(model) && engine.version() != null) {
                versions.add(engine.version());
            }
        }
        return versions;
    }

    /** Whether a registered host or worker has yet to report, so that what is known may be too little. */
    public boolean incomplete() {
        return hostStates.values().stream().anyMatch(Optional::isEmpty)
                || workerStates.values().stream().anyMatch(Optional::isEmpty);
    }

    /** Registered hosts and workers that have yet to report. */
    public Set<ActorRef<?>> silent() {
        Set<ActorRef<?>> silent = new HashSet<>(silentHosts());
        silent.addAll(silentWorkers());
        return silent;
    }

    /** Whether this very actor is a live worker; a restarted worker is another actor. */
    public boolean isLive(String worker, ActorRef<WorkerCommand> ref) {
        FleetWorker live = workers.get(worker);
        return live != null && live.ref().equals(ref);
    }

    /** Whether this very actor is a live host store. */
    public boolean isLiveHost(String host, ActorRef<HostStoreCommand> ref) {
        FleetHost live = hosts.get(host);
        return live != null && live.ref().equals(ref);
    }

    public Fleet withHosts(Set<ActorRef<HostStoreCommand>> listed) {
        return new Fleet(relist(hostStates, listed), workerStates, lastServing, unreachable);
    }

    public Fleet withWorkers(Set<ActorRef<WorkerCommand>> listed) {
        Map<ActorRef<WorkerCommand>, EngineStatus> stillServing = new HashMap<>(lastServing);
        stillServing.keySet().retainAll(listed);
        return new Fleet(hostStates, relist(workerStates, listed), stillServing, unreachable);
    }

    /** Takes a report; one from an actor that is no longer listed changes nothing. */
    public Fleet report(ActorRef<HostStoreCommand> ref, HostState state) {
        return hostStates.containsKey(ref)
                ? new Fleet(replace(hostStates, ref, state), workerStates, lastServing, unreachable)
                : this;
    }

    /** Takes a report; one from an actor that is no longer listed changes nothing. */
    public Fleet report(ActorRef<WorkerCommand> ref, WorkerState state) {
        if (!workerStates.containsKey(ref)) {
            return this;
        }
        EngineStatus engine = state.engine();
        Map<ActorRef<WorkerCommand>, EngineStatus> serving = lastServing;
        if (engine != null && engine.version() != null) {
            serving = new HashMap<>(lastServing);
            serving.put(ref, engine);
        }
        return new Fleet(hostStates, replace(workerStates, ref, state), serving, unreachable);
    }

    /**
     * Forgets what an actor reported, so that it is not live until it reports again. It stays listed: whether it is gone
     * for good, only the listing says.
     */
    public Fleet silenced(ActorRef<?> ref) {
        return new Fleet(silence(hostStates, ref), silence(workerStates, ref), lastServing, unreachable);
    }

    public Fleet withUnreachable(Address member) {
        Set<Address> more = new HashSet<>(unreachable);
        more.add(member);
        return new Fleet(hostStates, workerStates, lastServing, Set.copyOf(more));
    }

    public Fleet withReachable(Address member) {
        Set<Address> fewer = new HashSet<>(unreachable);
        fewer.remove(member);
        return new Fleet(hostStates, workerStates, lastServing, Set.copyOf(fewer));
    }

    Set<ActorRef<?>> listed() {
        Set<ActorRef<?>> listed = new HashSet<>(hostStates.keySet());
        listed.addAll(workerStates.keySet());
        return listed;
    }

    Set<ActorRef<HostStoreCommand>> silentHosts() {
        return silent(hostStates);
    }

    Set<ActorRef<WorkerCommand>> silentWorkers() {
        return silent(workerStates);
    }

    private boolean reachable(ActorRef<?> ref) {
        return !unreachable.contains(ref.path().address());
    }

    private static <C, S> Set<ActorRef<C>> silent(Map<ActorRef<C>, Optional<S>> states) {
        Set<ActorRef<C>> silent = new HashSet<>();
        states.forEach((ref, state) -> {
            if (state.isEmpty()) {
                silent.add(ref);
            }
        });
        return silent;
    }

    private static <C, S> Map<ActorRef<C>, Optional<S>> relist(
            Map<ActorRef<C>, Optional<S>> states, Set<ActorRef<C>> listed) {
        Map<ActorRef<C>, Optional<S>> next = new LinkedHashMap<>(states);
        next.keySet().retainAll(listed);
        listed.forEach(ref -> next.putIfAbsent(ref, Optional.empty()));
        return next;
    }

    private static <C, S> Map<ActorRef<C>, Optional<S>> silence(
            Map<ActorRef<C>, Optional<S>> states, ActorRef<?> silenced) {
        Map<ActorRef<C>, Optional<S>> next = new LinkedHashMap<>(states);
        next.replaceAll((ref, state) -> ref.equals(silenced) ? Optional.empty() : state);
        return next;
    }

    private static <C, S> Map<ActorRef<C>, Optional<S>> replace(
            Map<ActorRef<C>, Optional<S>> states, ActorRef<C> ref, S state) {
        Map<ActorRef<C>, Optional<S>> next = new LinkedHashMap<>(states);
        next.put(ref, Optional.of(state));
        return next;
    }
}
