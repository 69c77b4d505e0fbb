package dev.inflight.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetHost;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.coordinator.fleet.ShardSet;
import dev.inflight.coordinator.join.Joins;
import dev.inflight.coordinator.limits.Usage;
import dev.inflight.coordinator.operation.OperationView;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.HostStoreEvent.Held;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What the coordinator knows, as the HTTP API shows it.
 *
 * @param operation the running update; null if none runs
 * @param lastUpdate the result of the last update; null before the first
 * @param limits of updates, and what of them is used
 * @param queue updates that wait for their turn
 * @param canaries those that run
 */
record FleetStatus(
        List<Model> models,
        List<Host> hosts,
        List<Worker> workers,
        @Nullable OperationView operation,
        @Nullable JsonNode lastUpdate,
        List<Usage> limits,
        List<TurnStatus.Waiting> queue,
        List<CanaryView> canaries) {

    record Model(String model, List<Version> versions) {}

    /** @param warm whether live hosts hold all of it; if not, its files are read again where it is needed */
    record Version(String version, String digest, long bytes, long tensors, String source, boolean warm) {}

    /** @param maxSourceBytesPerSecond as in its reports; null for no limit */
    record Host(
            String host,
            String endpoint,
            List<HeldCheckpoint> checkpoints,
            @Nullable Long maxSourceBytesPerSecond) {}

    /** @param memoryBytes memory that the host spends on it; 0 if it uses files in /dev/shm in place */
    record HeldCheckpoint(String model, String version, int shards, long memoryBytes) {}

    /** @param labels by which its engine can be selected */
    record Worker(
            String worker,
            String host,
            String device,
            long slotBudgetBytes,
            SortedMap<String, String> labels,
            @Nullable Engine engine) {}

    /**
     * @param routable whether requests sent to it are answered: it serves, or is being updated from a version that it
     *     serves meanwhile (shadow) or goes on with afterwards (in-place)
     * @param join how it gets the version that it should have; null if it has it
     */
    record Engine(
            String engine,
            String model,
            long pid,
            List<String> modes,
            String state,
            @Nullable String version,
            @Nullable String target,
            @Nullable String reason,
            boolean routable,
            @Nullable Join join) {}

    /**
     * @param operation the join that runs; null while it waits to be tried again
     * @param failures how many joins failed one after the other
     * @param reason why the last one did
     */
    record Join(
            @Nullable String operation,
            @Nullable String phase,
            long doneBytes,
            long totalBytes,
            int failures,
            @Nullable String reason) {
        static @Nullable Join of(String worker, Joins joins, Function<String, @Nullable Operation> operations) {
            String id = joins.running(worker);
            Joins.Trouble trouble = joins.trouble(worker);
            if (id == null && trouble == null) {
                return null;
            }
            Operation operation = id == null ? null : operations.apply(id);
            return new Join(
                    id,
                    operation == null ? null : operation.phase(),
                    operation == null ? 0 : operation.doneBytes(),
                    operation == null ? 0 : operation.totalBytes(),
                    trouble == null ? 0 : trouble.failures(),
                    trouble == null ? null : trouble.reason());
        }
    }

    static FleetStatus of(
            Fleet fleet,
            SortedMap<String, Map<String, CheckpointRef>> published,
            @Nullable OperationView operation,
            @Nullable JsonNode lastUpdate,
            List<CanaryView> canaries,
            Joins joins,
            Function<String, @Nullable Operation> operations,
            TurnStatus turns) {
        return new FleetStatus(
                published.entrySet().stream()
                        .map(model -> new Model(
                                model.getKey(),
                                model.getValue().values().stream()
                                        .map(ref -> version(ref, fleet))
                                        .toList()))
                        .toList(),
                fleet.hosts().values().stream().map(FleetStatus::host).toList(),
                fleet.workers().values().stream()
                        .map(worker -> worker(worker, Join.of(worker.id(), joins, operations)))
                        .toList(),
                operation,
                lastUpdate,
                turns.limits(),
                turns.queue(),
                canaries);
    }

    private static Version version(CheckpointRef ref, Fleet fleet) {
        ShardSet held =
                fleet.hosts().values().stream().map(host -> host.shards(ref)).reduce(ShardSet.EMPTY, ShardSet::plus);
        boolean warm = ShardSet.all(ref.shardCount()).minus(held).isEmpty();
        return new Version(ref.version(), ref.digest(), ref.bytes(), ref.tensors(), ref.source(), warm);
    }

    private static Host host(FleetHost host) {
        long limit = host.state().maxSourceBytesPerSecond();
        return new Host(
                host.name(),
                host.endpoint(),
                host.held().stream().map(FleetStatus::held).toList(),
                limit == 0 ? null : limit);
    }

    private static HeldCheckpoint held(Held held) {
        int shards = held.shards().stream()
                .mapToInt(range -> range.last() - range.first() + 1)
                .sum();
        return new HeldCheckpoint(held.checkpoint().model(), held.checkpoint().version(), shards, held.memoryBytes());
    }

    private static Worker worker(FleetWorker worker, @Nullable Join join) {
        return new Worker(
                worker.id(),
                worker.host(),
                worker.state().device(),
                worker.state().slotBudgetBytes(),
                new TreeMap<>(worker.state().labels()),
                engine(worker.engine(), join));
    }

    private static @Nullable Engine engine(@Nullable EngineStatus engine, @Nullable Join join) {
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
                        engine.reason(),
                        isRoutable(engine),
                        join);
    }

    private static boolean isRoutable(EngineStatus engine) {
        return switch (engine.state()) {
            case SERVING -> true;
            case UPDATING -> engine.version() != null;
            case PENDING_WEIGHTS, FAILED -> false;
        };
    }
}
