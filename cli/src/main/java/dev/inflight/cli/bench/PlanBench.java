package dev.inflight.cli.bench;

import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import akka.serialization.Serialization;
import akka.serialization.SerializationExtension;
import com.typesafe.config.ConfigFactory;
import dev.inflight.cli.model.FilePartition;
import dev.inflight.cli.model.ModelCatalog;
import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.Strategy;
import dev.inflight.protocol.cluster.Wire;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.plan.BucketPlanner;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Ownership;
import dev.inflight.protocol.plan.PlanDigest;
import dev.inflight.protocol.plan.ShardRange;
import dev.inflight.protocol.plan.Sharding;
import dev.inflight.protocol.plan.SlotLadder;
import dev.inflight.protocol.plan.Slots;
import dev.inflight.protocol.plan.UpdatePlan;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/** Measures what every worker computes at Prepare, and the largest message that a publish, an update or a
 * verification sends to a worker host. */
public final class PlanBench {
    private static final int WORKERS_PER_HOST = 8;
    private static final int WARM_UP_RUNS = 5;
    private static final int MEASURED_RUNS = 7;
    private static final long MIB = 1 << 20;
    private static final long SLOT_BUDGET_BYTES = 1024 * MIB;
    private static final long MAX_SLOT_BYTES = 256 * MIB;
    private static final long MIN_SLOT_BYTES = 4 * MIB;
    private static final long STALL_TIMEOUT_MS = 30_000;

    private PlanBench() {}

    /**
     * What was measured.
     *
     * @param bytes size of the checkpoint
     * @param planMillis median time of sharding, ownership, plan and digest together, warm, on one thread
     * @param heapMiB heap in use with the layout and the plan alive
     * @param largestMessageBytes the largest as Artery would send it of the messages that grow with the fleet: Prepare and
     *     Verify, which carry the membership, and Load, which carries the holders. Not counted are messages about one
     *     worker, engine or host, whose size does not depend on the fleet's, and the coordinator's answers to a
     *     trainer, which list engines with a bounded entry for each
     * @param slots slots the plan was made for
     * @param shardImbalance largest distance of a shard from the mean, as a part of the mean
     */
    public record Report(
            String model,
            int tensors,
            long bytes,
            int workers,
            double planMillis,
            double heapMiB,
            int largestMessageBytes,
            Slots slots,
            int rounds,
            int buckets,
            double shardImbalance,
            String planDigest) {}

    /**
     * Runs the measurement on the calling thread; it takes a few seconds.
     *
     * @throws IllegalArgumentException if the model is not in the catalog or {@code workers} is below 1
     */
    public static Report run(String model, int workers) {
        if (workers < 1) {
            throw new IllegalArgumentException(workers + " workers were asked for; a plan needs at least 1");
        }
        CheckpointLayout layout = FilePartition.layout(ModelCatalog.tensors(model));
        Membership membership = membership(workers);
        long bytes = layout.bytes();
        Slots slots = SlotLadder.choose(
                SLOT_BUDGET_BYTES, MAX_SLOT_BYTES, MIN_SLOT_BYTES, bytes, layout.largestTensorBytes(), false, workers);
        for (int i = 0; i < WARM_UP_RUNS; i++) {
            plan(layout, membership, slots);
        }
        double[] millis = new double[MEASURED_RUNS];
        for (int i = 0; i < millis.length; i++) {
            long start = System.nanoTime();
            plan(layout, membership, slots);
            millis[i] = (System.nanoTime() - start) / 1e6;
        }
        Arrays.sort(millis);
        Planned planned = plan(layout, membership, slots);
        double heapMiB = heapMiB();
        return new Report(
                model,
                layout.tensors().size(),
                bytes,
                workers,
                millis[millis.length / 2],
                heapMiB,
                largestMessageBytes(model, layout, membership, slots),
                slots,
                planned.plan().rounds(),
                planned.plan().buckets().size(),
                imbalance(planned.sharding(), bytes),
                planned.digest());
    }

    private record Planned(Sharding sharding, UpdatePlan plan, String digest) {}

    private static Planned plan(CheckpointLayout layout, Membership membership, Slots slots) {
        int shards = membership.workers().size();
        Sharding sharding = Sharding.of(layout, shards, Sharding.balancedPartBytes(layout.bytes(), shards));
        UpdatePlan plan = BucketPlanner.plan(layout, sharding, Ownership.assign(shards, membership), slots.bytes());
        return new Planned(sharding, plan, PlanDigest.of(plan));
    }

    /** Full hosts with names and addresses as long as in a real fleet; each holds a shard per worker. */
    private static Membership membership(int workers) {
        List<Membership.Host> hosts = new ArrayList<>();
        List<Membership.Worker> members = new ArrayList<>();
        for (int first = 0; first < workers; first += WORKERS_PER_HOST) {
            int last = Math.min(workers, first + WORKERS_PER_HOST) - 1;
            int host = hosts.size();
            String name = "gpu-host-%05d".formatted(host);
            String endpoint = "10.20.%d.%d:25520".formatted(host / 250, host % 250 + 1);
            hosts.add(new Membership.Host(name, endpoint, List.of(new ShardRange(first, last))));
            for (int worker = first; worker <= last; worker++) {
                members.add(new Membership.Worker(name + "/" + (worker - first), host, true));
            }
        }
        return new Membership(hosts, members);
    }

    private static int largestMessageBytes(String model, CheckpointLayout layout, Membership membership, Slots slots) {
        ActorSystem<Object> system = ActorSystem.create(
                Behaviors.empty(), "plan-bench", ConfigFactory.parseString("""
                        akka.actor.provider = local
                        akka.loglevel = WARNING
                        akka.coordinated-shutdown.exit-jvm = off
                        """).withFallback(ConfigFactory.load()));
        try {
            int shards = membership.workers().size();
            CheckpointRef checkpoint = new CheckpointRef(
                    model,
                    "v2",
                    "0".repeat(64),
                    "/models/" + model,
                    shards,
                    Sharding.balancedPartBytes(layout.bytes(), shards),
                    layout.tensors().size(),
                    layout.bytes(),
                    layout.largestTensorBytes());
            List<HostStoreCommand.Holder> holders = membership.hosts().stream()
                    .map(host -> new HostStoreCommand.Holder(host.name(), host.endpoint(), host.shards()))
                    .toList();
            Serialization serialization = SerializationExtension.get(system);
            return Stream.<Wire>of(
                            new WorkerCommand.Prepare(
                                    1,
                                    "update-1",
                                    checkpoint,
                                    LoadMode.SHADOW,
                                    Strategy.BROADCAST,
                                    membership,
                                    slots,
                                    STALL_TIMEOUT_MS,
                                    system.narrow()),
                            new WorkerCommand.Verify("verify-1", checkpoint, membership, system.narrow()),
                            new HostStoreCommand.Load(
                                    "publish-1",
                                    model,
                                    checkpoint.version(),
                                    checkpoint.source(),
                                    "0".repeat(64),
                                    shards,
                                    checkpoint.maxPartBytes(),
                                    holders,
                                    system.narrow()))
                    .mapToInt(message -> serialization.serialize(message).get().length)
                    .max()
                    .orElseThrow();
        } finally {
            system.terminate();
        }
    }

    private static double heapMiB() {
        var memory = ManagementFactory.getMemoryMXBean();
        memory.gc();
        return (double) memory.getHeapMemoryUsage().getUsed() / MIB;
    }

    private static double imbalance(Sharding sharding, long bytes) {
        double mean = (double) bytes / sharding.count();
        return sharding.shards().stream()
                .mapToDouble(shard -> Math.abs(shard.bytes() - mean) / mean)
                .max()
                .orElse(0);
    }
}
