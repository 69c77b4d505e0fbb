package dev.inflight.coordinator;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import com.typesafe.config.ConfigFactory;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent.Held;
import dev.inflight.protocol.cluster.HostStoreEvent.HostState;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.Standby;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent.Session;
import dev.inflight.protocol.cluster.WorkerEvent.WorkerState;
import dev.inflight.protocol.plan.Place;
import dev.inflight.protocol.plan.ShardRange;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** A fleet of probes: hosts with stores, workers with engines. */
public final class TestFleet {
    public static final String MODEL = "m";
    public static final long MIB = 1 << 20;

    private final ActorTestKit kit;
    public final Map<String, TestProbe<HostStoreCommand>> hosts = new TreeMap<>();
    public final Map<String, TestProbe<WorkerCommand>> workers = new TreeMap<>();
    private final Map<String, HostState> hostStates = new TreeMap<>();
    private final Map<String, WorkerState> workerStates = new TreeMap<>();

    public TestFleet(ActorTestKit kit) {
        this.kit = kit;
    }

    public static CoordinatorSettings settings(String overrides) {
        return CoordinatorSettings.from(ConfigFactory.parseString(overrides).withFallback(ConfigFactory.load()));
    }

    public static CheckpointRef checkpoint(String version, int shards) {
        return new CheckpointRef(
                MODEL, version, "digest-" + version, "/ckpt/" + version, shards, MIB, 10, 8 * MIB, MIB);
    }

    public static EngineStatus engine(
            String id, EngineStatus.State state, @Nullable String version, List<LoadMode> modes) {
        return new EngineStatus(id, MODEL, 1, modes, false, state, version, null, null);
    }

    public static EngineStatus serving(String id, String version) {
        return engine(id, EngineStatus.State.SERVING, version, List.of(LoadMode.IN_PLACE, LoadMode.SHADOW));
    }

    /** Serves one version while another stands by. */
    public static EngineStatus serving(String id, String version, CheckpointRef former) {
        return new EngineStatus(
                id,
                MODEL,
                1,
                List.of(LoadMode.IN_PLACE, LoadMode.SHADOW),
                false,
                EngineStatus.State.SERVING,
                version,
                null,
                null,
                new Standby(former.version(), former.digest()));
    }

    public static EngineStatus pending(String id) {
        return engine(id, EngineStatus.State.PENDING_WEIGHTS, null, List.of(LoadMode.IN_PLACE, LoadMode.SHADOW));
    }

    public TestFleet host(String name, Held... held) {
        hosts.computeIfAbsent(name, n -> kit.createTestProbe(HostStoreCommand.class));
        hostStates.put(name, new HostState(name, name + ":1", List.of(held)));
        return this;
    }

    /** The same host is now about to stop. */
    public TestFleet leaving(String name) {
        HostState before = hostState(name);
        hostStates.put(
                name, new HostState(name, before.endpoint(), before.held(), before.place(), before.coming(), true));
        return this;
    }

    /** The same host is there. */
    public TestFleet at(String name, Place place) {
        HostState before = hostState(name);
        hostStates.put(name, new HostState(name, before.endpoint(), before.held(), place, before.coming()));
        return this;
    }

    /** The same host now also replicates these. */
    public TestFleet replicating(String name, Held... coming) {
        HostState before = hostState(name);
        hostStates.put(name, new HostState(name, before.endpoint(), before.held(), before.place(), List.of(coming)));
        return this;
    }

    public TestFleet worker(String id, @Nullable EngineStatus engine) {
        return worker(id, 5, null, engine);
    }

    public TestFleet worker(String id, long highestEpoch, @Nullable Session session, @Nullable EngineStatus engine) {
        workers.computeIfAbsent(id, n -> kit.createTestProbe(WorkerCommand.class));
        workerStates.put(
                id,
                new WorkerState(
                        id, id.substring(0, id.indexOf('/')), "host", 64 * MIB, null, highestEpoch, session, engine));
        return this;
    }

    /** Registered, and never reports. */
    public TestFleet silentWorker(String id) {
        workers.computeIfAbsent(id, n -> kit.createTestProbe(WorkerCommand.class));
        return this;
    }

    /** The same worker has labels. */
    public TestFleet labelled(String id, Map<String, String> labels) {
        WorkerState before = state(id);
        workerStates.put(
                id,
                new WorkerState(
                        id,
                        before.host(),
                        before.device(),
                        before.slotBudgetBytes(),
                        before.nccl(),
                        before.highestEpoch(),
                        before.session(),
                        before.engine(),
                        labels));
        return this;
    }

    /** A worker on a GPU, without an engine if that is null. */
    public TestFleet gpuWorker(String id, String gpu, @Nullable Integer nccl, @Nullable EngineStatus engine) {
        workers.computeIfAbsent(id, n -> kit.createTestProbe(WorkerCommand.class));
        workerStates.put(
                id, new WorkerState(id, id.substring(0, id.indexOf('/')), gpu, 64 * MIB, nccl, 5, null, engine));
        return this;
    }

    public TestFleet withoutWorker(String id) {
        workerStates.remove(id);
        workers.remove(id);
        return this;
    }

    public TestFleet withoutHost(String name) {
        hostStates.remove(name);
        hosts.remove(name);
        return this;
    }

    public WorkerState state(String worker) {
        return java.util.Objects.requireNonNull(workerStates.get(worker));
    }

    public HostState hostState(String host) {
        return java.util.Objects.requireNonNull(hostStates.get(host));
    }

    public static Held held(CheckpointRef checkpoint, int first, int last) {
        return new Held(checkpoint, List.of(new ShardRange(first, last)));
    }

    public Fleet view() {
        Set<akka.actor.typed.ActorRef<HostStoreCommand>> hostRefs = new HashSet<>();
        hosts.values().forEach(probe -> hostRefs.add(probe.getRef()));
        Set<akka.actor.typed.ActorRef<WorkerCommand>> workerRefs = new HashSet<>();
        workers.values().forEach(probe -> workerRefs.add(probe.getRef()));
        Fleet fleet = Fleet.EMPTY.withHosts(hostRefs).withWorkers(workerRefs);
        for (Map.Entry<String, HostState> host : hostStates.entrySet()) {
            fleet = fleet.report(hosts.get(host.getKey()).getRef(), host.getValue());
        }
        for (Map.Entry<String, WorkerState> worker : workerStates.entrySet()) {
            fleet = fleet.report(workers.get(worker.getKey()).getRef(), worker.getValue());
        }
        return fleet;
    }
}
