package dev.inflight.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetHost;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.coordinator.operation.OperationView;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.HostStoreEvent.Held;
import dev.inflight.protocol.cluster.LoadMode;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import org.jspecify.annotations.Nullable;

/**
 * What the coordinator knows, as the HTTP API shows it.
 *
 * @param operation the running update; null if none runs
 * @param lastUpdate the result of the last update; null before the first
 */
record FleetStatus(
        List<Model> models,
        List<Host> hosts,
        List<Worker> workers,
        @Nullable OperationView operation,
        @Nullable JsonNode lastUpdate) {

    record Model(String model, List<Version> versions) {}

    record Version(String version, String digest, long bytes, long tensors, String source) {}

    record Host(String host, String endpoint, List<HeldCheckpoint> checkpoints) {}

    record HeldCheckpoint(String model, String version, int shards) {}

    record Worker(
            String worker,
            String host,
            String device,
            long slotBudgetBytes,
            @Nullable Engine engine) {}

    record Engine(
            String engine,
            String model,
            long pid,
            List<String> modes,
            String state,
            @Nullable String version,
            @Nullable String target,
            @Nullable String reason) {}

    static FleetStatus of(
            Fleet fleet,
            SortedMap<String, Map<String, CheckpointRef>> published,
            @Nullable OperationView operation,
            @Nullable JsonNode lastUpdate) {
        return new FleetStatus(
                published.entrySet().stream()
                        .map(model -> new Model(
                                model.getKey(),
                                model.getValue().values().stream()
                                        .map(FleetStatus::version)
                                        .toList()))
                        .toList(),
                fleet.hosts().values().stream().map(FleetStatus::host).toList(),
                fleet.workers().values().stream().map(FleetStatus::worker).toList(),
                operation,
                lastUpdate);
    }

    private static Version version(CheckpointRef ref) {
        return new Version(ref.version(), ref.digest(), ref.bytes(), ref.tensors(), ref.source());
    }

    private static Host host(FleetHost host) {
        return new Host(
                host.name(),
                host.endpoint(),
                host.held().stream().map(FleetStatus::held).toList());
    }

    private static HeldCheckpoint held(Held held) {
        int shards = held.shards().stream()
                .mapToInt(range -> range.last() - range.first() + 1)
                .sum();
        return new HeldCheckpoint(held.checkpoint().model(), held.checkpoint().version(), shards);
    }

    private static Worker worker(FleetWorker worker) {
        return new Worker(
                worker.id(),
                worker.host(),
                worker.state().device(),
                worker.state().slotBudgetBytes(),
                engine(worker.engine()));
    }

    private static @Nullable Engine engine(@Nullable EngineStatus engine) {
        return engine == null
                ? null
                : new Engine(
                        engine.engine(),
                        engine.model(),
                        engine.pid(),
                        engine.modes().stream().map(LoadMode::label).toList(),
                        engine.state().name(),
                        engine.version(),
                        engine.target(),
                        engine.reason());
    }
}
