package dev.inflight.coordinator.publish;

import dev.inflight.protocol.cluster.HostStoreCommand.Holder;
import dev.inflight.protocol.plan.ShardRange;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.function.Predicate;

/**
 * Which host loads which shards of a new checkpoint.
 *
 * @param maxPartBytes a tensor larger than this is split over shards; a multiple of 1 MiB
 * @param holders hosts that load something, sorted by name
 */
record Loading(int shardCount, long maxPartBytes, List<Holder> holders) {
    private static final long MIB = 1 << 20;

    /** Parts per shard below which shards of equal size are hard to make of them. */
    private static final int PARTS_PER_SHARD = 4;

    /** One shard for every worker, on the worker's own host. */
    static Loading forWorkers(
            SortedMap<String, Integer> workersByHost,
            Map<String, String> endpoints,
            Sizes sizes,
            boolean wholeTensors,
            long maxPartBytes) {
        int count = workersByHost.values().stream().mapToInt(Integer::intValue).sum();
        return spread(count, partBytes(sizes, count, wholeTensors, maxPartBytes), workersByHost, endpoints);
    }

    /** Splits {@code shardCount} shards over hosts in proportion to their workers. */
    static Loading spread(
            int shardCount, long partBytes, SortedMap<String, Integer> workersByHost, Map<String, String> endpoints) {
        int workers =
                workersByHost.values().stream().mapToInt(Integer::intValue).sum();
        List<Holder> holders = new ArrayList<>();
        int before = 0;
        for (Map.Entry<String, Integer> host : workersByHost.entrySet()) {
            int first = (int) ((long) shardCount * before / workers);
            before += host.getValue();
            int end = (int) ((long) shardCount * before / workers);
            if (end > first) {
                holders.add(new Holder(
                        host.getKey(),
                        endpoints.getOrDefault(host.getKey(), ""),
                        List.of(new ShardRange(first, end - 1))));
            }
        }
        return new Loading(shardCount, partBytes, List.copyOf(holders));
    }

    /** The same shards, all of them on one host. */
    Loading allOn(String host, String endpoint) {
        Holder all = new Holder(host, endpoint, List.of(new ShardRange(0, shardCount - 1)));
        return new Loading(shardCount, maxPartBytes, List.of(all));
    }

    /** What is left to the other hosts. */
    Loading without(String host) {
        return where(name -> !name.equals(host));
    }

    /** What is for these hosts. */
    Loading on(Set<String> hosts) {
        return where(hosts::contains);
    }

    private Loading where(Predicate<String> host) {
        return new Loading(
                shardCount,
                maxPartBytes,
                holders.stream().filter(holder -> host.test(holder.host())).toList());
    }

    private static long partBytes(Sizes sizes, int shardCount, boolean wholeTensors, long maxPartBytes) {
        if (wholeTensors || shardCount == 1) {
            return Math.max(MIB, roundUp(sizes.largestTensorBytes()));
        }
        long fine = roundUp(Math.ceilDiv(sizes.bytes(), (long) shardCount * PARTS_PER_SHARD));
        return Math.clamp(fine, MIB, maxPartBytes - maxPartBytes % MIB);
    }

    private static long roundUp(long bytes) {
        return Math.ceilDiv(bytes, MIB) * MIB;
    }

    /** What the headers say. */
    record Sizes(long tensors, long bytes, long largestTensorBytes) {}
}
