package dev.inflight.protocol.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

class OwnershipPropertyTest {
    @Property(tries = 300)
    void everyShardHasOneOwnerOnAHostThatHoldsIt(
            @ForAll @IntRange(min = 1, max = 60) int shards,
            @ForAll @IntRange(min = 1, max = 9) int hosts,
            @ForAll @IntRange(min = 1, max = 4) int workersPerHost,
            @ForAll long seed) {
        Membership membership = randomHolders(shards, hosts, workersPerHost, new Random(seed));

        List<Owner> owners = Ownership.assign(shards, membership);

        assertThat(owners.stream().flatMap(owner -> owner.shards().stream()))
                .containsExactlyInAnyOrderElementsOf(range(shards));
        assertThat(owners).allSatisfy(owner -> {
            assertThat(owner.shards()).isNotEmpty().isSorted();
            assertThat(owner.shards()).allMatch(shard -> holds(membership, owner.worker(), shard));
        });
        assertThat(owners).extracting(Owner::worker).isSorted().doesNotHaveDuplicates();
    }

    @Property(tries = 300)
    void theOrderOfTheMembershipDoesNotMatter(
            @ForAll @IntRange(min = 1, max = 60) int shards,
            @ForAll @IntRange(min = 1, max = 9) int hosts,
            @ForAll @IntRange(min = 1, max = 4) int workersPerHost,
            @ForAll long seed) {
        Random random = new Random(seed);
        Membership membership = randomHolders(shards, hosts, workersPerHost, random);

        assertThat(Ownership.assign(shards, shuffled(membership, random)))
                .isEqualTo(Ownership.assign(shards, membership));
    }

    @Property(tries = 200)
    void workersOwnTheSameNumberOfShardsWhenAllHostsHoldAll(
            @ForAll @IntRange(min = 1, max = 200) int shards,
            @ForAll @IntRange(min = 1, max = 9) int hosts,
            @ForAll @IntRange(min = 1, max = 4) int workersPerHost) {
        List<List<ShardRange>> all = Collections.nCopies(hosts, List.of(new ShardRange(0, shards - 1)));

        List<Owner> owners = Ownership.assign(shards, membership(all, workersPerHost));

        int workers = hosts * workersPerHost;
        assertThat(owners).hasSize(Math.min(shards, workers));
        assertThat(owners)
                .allSatisfy(owner ->
                        assertThat(owner.shards()).hasSizeBetween(shards / workers, Math.ceilDiv(shards, workers)));
    }

    @Example
    void eachWorkerOfAHostOwnsOneOfItsShards() {
        Membership membership = membership(List.of(List.of(new ShardRange(0, 1)), List.of(new ShardRange(2, 3))), 2);

        assertThat(Ownership.assign(4, membership))
                .containsExactly(
                        new Owner("host-0/0", List.of(0)),
                        new Owner("host-0/1", List.of(1)),
                        new Owner("host-1/0", List.of(2)),
                        new Owner("host-1/1", List.of(3)));
    }

    @Example
    void lostShardsAreRefusedByName() {
        Membership membership = membership(List.of(List.of(new ShardRange(0, 1), new ShardRange(3, 3))), 1);

        assertThatThrownBy(() -> Ownership.assign(6, membership))
                .isInstanceOf(PlanException.class)
                .hasMessage("3 of 6 shards are held by no host with a worker: 2, 4, 5; restore them first");
    }

    @Example
    void aHostWithoutWorkersCanNotOwn() {
        Membership membership =
                new Membership(List.of(new Membership.Host("host-0", "h:1", List.of(new ShardRange(0, 0)))), List.of());

        assertThatThrownBy(() -> Ownership.assign(1, membership))
                .isInstanceOf(PlanException.class)
                .hasMessageContaining("1 of 1 shards");
    }

    @Example
    void aClaimOutOfRangeIsRefusedWithTheHostsName() {
        Membership membership = membership(List.of(List.of(new ShardRange(0, 4))), 1);

        assertThatThrownBy(() -> Ownership.assign(4, membership))
                .isInstanceOf(PlanException.class)
                .hasMessage("host host-0 claims shards 0 to 4 of a checkpoint with 4 shards");
    }

    @Example
    void aWorkerOnAHostThatIsNotInTheListIsRefusedByName() {
        Membership membership = new Membership(List.of(), List.of(new Membership.Worker("host-7/0", 7, true)));

        assertThatThrownBy(() -> Ownership.assign(1, membership))
                .isInstanceOf(PlanException.class)
                .hasMessage("worker host-7/0 is on host number 7 of 0");
    }

    /** Every shard on one to all hosts. */
    private static Membership randomHolders(int shards, int hosts, int workersPerHost, Random random) {
        List<List<ShardRange>> held = new ArrayList<>();
        for (int host = 0; host < hosts; host++) {
            held.add(new ArrayList<>());
        }
        for (int shard = 0; shard < shards; shard++) {
            int sure = random.nextInt(hosts);
            for (int host = 0; host < hosts; host++) {
                if (host == sure || random.nextInt(3) == 0) {
                    held.get(host).add(new ShardRange(shard, shard));
                }
            }
        }
        return membership(held, workersPerHost);
    }

    private static Membership membership(List<List<ShardRange>> held, int workersPerHost) {
        List<Membership.Host> hosts = new ArrayList<>();
        List<Membership.Worker> workers = new ArrayList<>();
        for (int host = 0; host < held.size(); host++) {
            hosts.add(new Membership.Host("host-" + host, "10.0.0." + host + ":7000", held.get(host)));
            for (int worker = 0; worker < workersPerHost; worker++) {
                workers.add(new Membership.Worker("host-" + host + "/" + worker, host, worker % 2 == 0));
            }
        }
        return new Membership(hosts, workers);
    }

    private static Membership shuffled(Membership membership, Random random) {
        List<Integer> order = new ArrayList<>(range(membership.hosts().size()));
        Collections.shuffle(order, random);
        List<Membership.Host> hosts =
                order.stream().map(membership.hosts()::get).toList();
        List<Membership.Worker> workers = new ArrayList<>(membership.workers().stream()
                .map(worker -> new Membership.Worker(worker.id(), order.indexOf(worker.host()), worker.receives()))
                .toList());
        Collections.shuffle(workers, random);
        return new Membership(hosts, workers);
    }

    private static boolean holds(Membership membership, String worker, int shard) {
        return membership.workers().stream()
                .filter(each -> each.id().equals(worker))
                .flatMap(each -> membership.hosts().get(each.host()).shards().stream())
                .anyMatch(range -> range.first() <= shard && shard <= range.last());
    }

    private static List<Integer> range(int end) {
        return IntStream.range(0, end).boxed().toList();
    }
}
