package dev.inflight.protocol.plan;

import static dev.inflight.protocol.plan.PlanArbitraries.MIB;
import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.TreeSet;
import java.util.stream.IntStream;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.domains.Domain;
import net.jqwik.api.domains.DomainContext;

@Domain(PlanArbitraries.class)
@Domain(DomainContext.Global.class)
class JoinPlannerPropertyTest {
    private static final Membership.Host RECEIVER = host("joiner", "m0", "r0", "z0", List.of(), List.of(), 0);

    @Property(tries = 200)
    void everyByteIsInExactlyOnePart(@ForAll CheckpointLayout layout, @ForAll @IntRange(min = 1, max = 8) int count) {
        var sharding = Sharding.of(layout, count, 4 * MIB);

        var slices = new ArrayList<Slice>();
        parts(sharding).forEach(part -> part.placements().forEach(placement -> slices.add(placement.slice())));
        for (int tensor = 0; tensor < layout.tensors().size(); tensor++) {
            if (layout.tensors().get(tensor).bytes() == 0) {
                slices.add(new Slice(tensor, 0, 0));
            }
        }
        Coverage.assertEveryByteOnce(layout, slices);
    }

    @Property(tries = 200)
    void partsLieInTheirShardsMemoryAsItsSlicesDo(
            @ForAll CheckpointLayout layout, @ForAll @IntRange(min = 1, max = 8) int count) {
        for (var shard : Sharding.of(layout, count, 4 * MIB).shards()) {
            var cut = ShardParts.of(shard);
            for (var part : cut.parts()) {
                assertThat(part.bytes()).isPositive().isLessThanOrEqualTo(ShardParts.MOST_BYTES);
                assertThat(part.placements()).allSatisfy(placement -> {
                    assertThat(placement.slice().begin() % MIB).isZero();
                    assertThat(part.offset() + placement.offset()).isEqualTo(memory(shard, placement.slice()));
                });
            }
            for (int position = 0; position < shard.slices().size(); position++) {
                var slice = shard.slices().get(position);
                long begin = cut.offsets().offset(position);
                var holding = cut.parts().stream()
                        .filter(part -> part.placements().stream()
                                .anyMatch(placement -> placement.slice().tensor() == slice.tensor()
                                        && placement.slice().begin() < slice.end()
                                        && placement.slice().end() > slice.begin()))
                        .toList();
                assertThat(cut.covering(begin, begin + slice.bytes())).isEqualTo(holding);
            }
        }
    }

    @Property(tries = 200)
    void everyPartThatSomeHostHasIsTakenFromOneOfTheNearestThatHaveIt(
            @ForAll CheckpointLayout layout, @ForAll long seed, @ForAll @IntRange(min = 0, max = 9) int hosts) {
        var fleet = fleet(new Random(seed), hosts, 6);
        var plan = JoinPlanner.plan(parts(Sharding.of(layout, 6, 4 * MIB)), RECEIVER, fleet);

        for (int part = 0; part < plan.parts().size(); part++) {
            int shard = plan.parts().get(part).shard();
            var having = fleet.stream().filter(host -> has(host, shard)).toList();
            assertThat(plan.candidates(part)).containsExactlyInAnyOrderElementsOf(having);
            assertThat(plan.giver(part))
                    .isEqualTo(plan.candidates(part).stream().findFirst());
            plan.giver(part)
                    .ifPresent(giver -> assertThat(having)
                            .allSatisfy(other -> assertThat(distance(giver)).isLessThanOrEqualTo(distance(other))));
        }
    }

    @Property(tries = 200)
    void equalHoldersGiveEqualShares(@ForAll CheckpointLayout layout, @ForAll @IntRange(min = 1, max = 9) int holders) {
        var fleet = IntStream.range(0, holders)
                .mapToObj(i -> host("h" + i, "", "", "", List.of(new ShardRange(0, 3)), List.of(), 1))
                .toList();
        var plan = JoinPlanner.plan(parts(Sharding.of(layout, 4, 4 * MIB)), RECEIVER, fleet);

        long all = plan.parts().stream().mapToLong(Part::bytes).sum();
        assertThat(fleet)
                .allSatisfy(host ->
                        assertThat(given(plan, host)).isLessThanOrEqualTo(all / holders + ShardParts.MOST_BYTES));
    }

    @Property(tries = 200)
    void withoutASourceItsPartsMoveAndTheOthersStay(
            @ForAll CheckpointLayout layout, @ForAll long seed, @ForAll @IntRange(min = 1, max = 9) int hosts) {
        var random = new Random(seed);
        var fleet = fleet(random, hosts, 6);
        var plan = JoinPlanner.plan(parts(Sharding.of(layout, 6, 4 * MIB)), RECEIVER, fleet);
        var dropped = fleet.get(random.nextInt(hosts));
        int come = random.nextInt(plan.parts().size() + 1);
        var next = plan.without(dropped.name(), part -> part < come);

        for (int part = 0; part < plan.parts().size(); part++) {
            if (!plan.giver(part).equals(Optional.of(dropped))) {
                assertThat(next.giver(part)).isEqualTo(plan.giver(part));
            } else if (part >= come) {
                assertThat(next.giver(part)).isNotEqualTo(plan.giver(part));
                assertThat(next.giver(part).isPresent())
                        .isEqualTo(plan.candidates(part).size() > 1);
            }
            assertThat(next.candidates(part)).doesNotContain(dropped);
        }
    }

    @Example
    void theNextJoinerTakesEverythingFromTheOneBeforeIt() {
        var all = List.of(new ShardRange(0, 0));
        var parts = IntStream.range(0, 20)
                .mapToObj(i -> new Part(0, i, 8 * MIB * i, 8 * MIB, List.of(new Placement(new Slice(i, 0, MIB), 0))))
                .toList();
        var holder = host("a-holder", "", "", "", all, List.of(), 1);
        var joining = host("b-joining", "", "", "", List.of(), all, 0);
        var plan = JoinPlanner.plan(parts, RECEIVER, List.of(holder, joining));

        assertThat(given(plan, joining)).isEqualTo(160 * MIB);
        assertThat(plan.candidates(0)).containsExactly(joining, holder);
    }

    @Example
    void racksOfTwoZonesMayHaveTheSameLabel() {
        assertThat(Distance.between(new Place("", "r", "a"), new Place("", "r", "b")))
                .isEqualTo(Distance.FAR);
        assertThat(Distance.between(new Place("", "r", ""), new Place("", "r", "")))
                .isEqualTo(Distance.RACK);
        assertThat(Distance.between(new Place("", "r", "a"), new Place("", "s", "a")))
                .isEqualTo(Distance.ZONE);
        assertThat(Distance.between(new Place("m", "", ""), new Place("m", "s", "a")))
                .isEqualTo(Distance.MACHINE);
        assertThat(Distance.between(Place.UNKNOWN, Place.UNKNOWN)).isEqualTo(Distance.FAR);
    }

    private static List<Part> parts(Sharding sharding) {
        return sharding.shards().stream()
                .flatMap(shard -> ShardParts.of(shard).parts().stream())
                .toList();
    }

    private static long memory(Shard shard, Slice range) {
        var offsets = ShardOffsets.of(shard);
        for (int position = 0; position < shard.slices().size(); position++) {
            var slice = shard.slices().get(position);
            if (slice.tensor() == range.tensor() && slice.begin() <= range.begin() && range.end() <= slice.end()) {
                return offsets.offset(position) + range.begin() - slice.begin();
            }
        }
        throw new AssertionError(range + " is not in shard " + shard.index());
    }

    private static List<Membership.Host> fleet(Random random, int hosts, int shards) {
        var fleet = new ArrayList<Membership.Host>();
        for (int i = 0; i < hosts; i++) {
            fleet.add(host(
                    "h" + i,
                    "m" + random.nextInt(4),
                    "r" + random.nextInt(3),
                    "z" + random.nextInt(2),
                    some(random, shards),
                    some(random, shards),
                    random.nextInt(3)));
        }
        return fleet;
    }

    private static List<ShardRange> some(Random random, int shards) {
        var chosen = new TreeSet<Integer>();
        IntStream.range(0, shards).filter(shard -> random.nextInt(3) == 0).forEach(chosen::add);
        return ShardRange.of(chosen);
    }

    private static Membership.Host host(
            String name,
            String machine,
            String rack,
            String zone,
            List<ShardRange> shards,
            List<ShardRange> coming,
            int uploads) {
        return new Membership.Host(name, name + ":1", shards, new Place(machine, rack, zone), coming, uploads);
    }

    private static boolean has(Membership.Host host, int shard) {
        return IntStream.range(0, 2)
                .mapToObj(i -> i == 0 ? host.shards() : host.coming())
                .flatMap(List::stream)
                .anyMatch(range -> range.first() <= shard && shard <= range.last());
    }

    private static Distance distance(Membership.Host host) {
        return Distance.between(RECEIVER.place(), host.place());
    }

    private static long given(JoinPlan plan, Membership.Host host) {
        return IntStream.range(0, plan.parts().size())
                .filter(part -> plan.giver(part).stream().anyMatch(host::equals))
                .mapToLong(part -> plan.parts().get(part).bytes())
                .sum();
    }
}
