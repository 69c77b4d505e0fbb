package dev.inflight.protocol.plan;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Which worker moves which shard in one update. */
public final class Ownership {
    /** How many lost shards an error names one by one. */
    private static final int NAMED = 20;

    private Ownership() {}

    /**
     * Gives each shard to one worker on a host that holds it. Shards with the fewest holders choose first; each takes
     * the host whose workers have the least to do, and there the next worker in turn. The order of the membership's
     * lists does not matter: ties go to the lower name.
     *
     * @return workers that own something, ordered by id, each with its shards ascending
     * @throws PlanException if a shard is held by no host that has a worker, or a host claims a shard out of range
     */
    public static List<Owner> assign(int shardCount, Membership membership) {
        List<Holder> holders = holders(membership);
        List<List<Holder>> candidates = IntStream.range(0, shardCount)
                .<List<Holder>>mapToObj(i -> new ArrayList<>())
                .toList();
        for (Holder holder : holders) {
            holder.claim(shardCount, candidates);
        }
        refuseLost(candidates);
        IntStream.range(0, shardCount)
                .boxed()
                .sorted(Comparator.comparingInt(shard -> candidates.get(shard).size()))
                .forEach(shard -> leastBusy(candidates.get(shard)).take(shard));
        return holders.stream()
                .flatMap(holder -> holder.workers.stream())
                .filter(worker -> !worker.shards.isEmpty())
                .sorted(Comparator.comparing(worker -> worker.id))
                .map(worker ->
                        new Owner(worker.id, worker.shards.stream().sorted().toList()))
                .toList();
    }

    private static List<Holder> holders(Membership membership) {
        List<Holder> holders = membership.hosts().stream().map(Holder::new).toList();
        membership.workers().stream()
                .sorted(Comparator.comparing(Membership.Worker::id))
                .forEach(worker -> {
                    if (worker.host() < 0 || worker.host() >= holders.size()) {
                        throw new PlanException("worker %s is on host number %d of %d"
                                .formatted(worker.id(), worker.host(), holders.size()));
                    }
                    holders.get(worker.host()).workers.add(new Load(worker.id()));
                });
        return holders.stream()
                .sorted(Comparator.comparing(holder -> holder.host.name()))
                .toList();
    }

    private static void refuseLost(List<List<Holder>> candidates) {
        List<Integer> lost = IntStream.range(0, candidates.size())
                .filter(shard -> candidates.get(shard).isEmpty())
                .boxed()
                .toList();
        if (!lost.isEmpty()) {
            String names = lost.stream().limit(NAMED).map(String::valueOf).collect(Collectors.joining(", "));
            throw new PlanException("%d of %d shards are held by no host with a worker: %s%s; restore them first"
                    .formatted(lost.size(), candidates.size(), names, lost.size() > NAMED ? ", ..." : ""));
        }
    }

    private static Holder leastBusy(List<Holder> candidates) {
        Holder best = candidates.getFirst();
        for (Holder candidate : candidates) {
            if (candidate.leastTaken() < best.leastTaken()) {
                best = candidate;
            }
        }
        return best;
    }

    /** A host and what its workers were given so far. */
    private static final class Holder {
        private final Membership.Host host;
        private final List<Load> workers = new ArrayList<>();
        private int taken;

        private Holder(Membership.Host host) {
            this.host = host;
        }

        private void claim(int shardCount, List<List<Holder>> candidates) {
            for (ShardRange range : host.shards()) {
                if (range.first() < 0 || range.last() < range.first() || range.last() >= shardCount) {
                    throw new PlanException("host %s claims shards %d to %d of a checkpoint with %d shards"
                            .formatted(host.name(), range.first(), range.last(), shardCount));
                }
                for (int shard = range.first(); shard <= range.last() && !workers.isEmpty(); shard++) {
                    List<Holder> known = candidates.get(shard);
                    if (known.isEmpty() || known.getLast() != this) {
                        known.add(this);
                    }
                }
            }
        }

        private int leastTaken() {
            return taken / workers.size();
        }

        private void take(int shard) {
            workers.get(taken % workers.size()).shards.add(shard);
            taken++;
        }
    }

    private static final class Load {
        private final String id;
        private final List<Integer> shards = new ArrayList<>();

        private Load(String id) {
            this.id = id;
        }
    }
}
