package dev.inflight.protocol.plan;

import static dev.inflight.protocol.plan.PlanArbitraries.MIB;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.plan.PlanArbitraries.Fleet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.domains.Domain;
import net.jqwik.api.domains.DomainContext;

@Domain(PlanArbitraries.class)
@Domain(DomainContext.Global.class)
class BucketPlannerPropertyTest {
    @Property(tries = 300)
    void everyByteIsInExactlyOnePlacement(
            @ForAll CheckpointLayout layout, @ForAll Fleet fleet, @ForAll @IntRange(min = 1, max = 96) int slotMiB) {
        UpdatePlan plan = plan(layout, fleet, slotMiB);

        Coverage.assertEveryByteOnce(layout, slices(plan.buckets()));
    }

    @Property(tries = 300)
    void placementsFitInTheSlotAlignedAndWithoutOverlap(
            @ForAll CheckpointLayout layout, @ForAll Fleet fleet, @ForAll @IntRange(min = 1, max = 96) int slotMiB) {
        UpdatePlan plan = plan(layout, fleet, slotMiB);

        assertThat(plan.slotBytes()).isEqualTo(slotMiB * MIB);
        for (Bucket bucket : plan.buckets()) {
            long end = 0;
            for (Placement placement : bucket.placements()) {
                assertThat(placement.offset() % BucketPlanner.ALIGNMENT).isZero();
                assertThat(placement.offset()).isGreaterThanOrEqualTo(end);
                end = placement.offset() + placement.slice().bytes();
            }
            assertThat(bucket.placements()).isNotEmpty();
            assertThat(bucket.bytes()).isEqualTo(end).isLessThanOrEqualTo(plan.slotBytes());
        }
    }

    @Property(tries = 300)
    void onlyWhatIsLargerThanASlotIsCut(
            @ForAll CheckpointLayout layout, @ForAll Fleet fleet, @ForAll @IntRange(min = 1, max = 96) int slotMiB) {
        UpdatePlan plan = plan(layout, fleet, slotMiB);

        Coverage.assertSplitOnlyAbove(
                layout, slices(plan.buckets()), Math.min(slotMiB * MIB, partBytes(layout, fleet)));
    }

    @Property(tries = 300)
    void aTensorThatFitsInASlotArrivesWholeFromOneOwner(
            @ForAll CheckpointLayout layout, @ForAll @IntRange(min = 1, max = 96) int slotMiB) {
        UpdatePlan plan = plan(layout, new Fleet(1, false), slotMiB);

        Coverage.assertSplitOnlyAbove(layout, slices(plan.buckets()), slotMiB * MIB);
    }

    @Property(tries = 300)
    void anOwnersPartOfAModuleThatFitsInASlotIsInOneBucket(
            @ForAll CheckpointLayout layout, @ForAll Fleet fleet, @ForAll @IntRange(min = 1, max = 96) int slotMiB) {
        UpdatePlan plan = plan(layout, fleet, slotMiB);

        record Part(int owner, String module) {}
        Map<Part, Long> room = new HashMap<>();
        Map<Part, Set<Integer>> buckets = new HashMap<>();
        for (Bucket bucket : plan.buckets()) {
            for (Placement placement : bucket.placements()) {
                Part part = new Part(bucket.owner(), module(layout, placement.slice()));
                room.merge(part, ModuleGroup.align(placement.slice().bytes()), Long::sum);
                buckets.computeIfAbsent(part, ignored -> new HashSet<>()).add(bucket.index());
            }
        }
        room.forEach((part, bytes) -> {
            if (bytes <= plan.slotBytes()) {
                assertThat(buckets.get(part)).as(part.toString()).hasSize(1);
            }
        });
    }

    @Property(tries = 300)
    void bucketsAreOrderedByRoundAndThenByOwner(
            @ForAll CheckpointLayout layout, @ForAll Fleet fleet, @ForAll @IntRange(min = 1, max = 96) int slotMiB) {
        UpdatePlan plan = plan(layout, fleet, slotMiB);

        for (int i = 0; i < plan.buckets().size(); i++) {
            assertThat(plan.buckets().get(i).index()).isEqualTo(i);
        }
        assertThat(plan.buckets())
                .isSortedAccordingTo(Comparator.comparingInt(Bucket::round).thenComparingInt(Bucket::owner));
        assertThat(plan.rounds())
                .isEqualTo(plan.buckets().stream()
                        .mapToInt(bucket -> bucket.round() + 1)
                        .max()
                        .orElse(0));
    }

    @Property(tries = 300)
    void everyOwnerIsBusyInEveryRoundAsFarAsItHasUnits(
            @ForAll CheckpointLayout layout, @ForAll Fleet fleet, @ForAll @IntRange(min = 1, max = 96) int slotMiB) {
        UpdatePlan plan = plan(layout, fleet, slotMiB);

        Map<Integer, List<Bucket>> byOwner = plan.buckets().stream().collect(Collectors.groupingBy(Bucket::owner));
        byOwner.forEach((owner, buckets) -> {
            assertThat(buckets)
                    .extracting(Bucket::round)
                    .containsExactlyElementsOf(
                            IntStream.range(0, buckets.size()).boxed().toList());
            if (buckets.size() < plan.rounds()) {
                assertThat(buckets)
                        .as("out of units: one module each")
                        .allSatisfy(bucket -> assertThat(bucket.placements().stream()
                                        .map(placement -> module(layout, placement.slice()))
                                        .distinct())
                                .hasSize(1));
            }
        });
    }

    @Property(tries = 100)
    void equalInputsGiveEqualDigests(
            @ForAll CheckpointLayout layout, @ForAll Fleet fleet, @ForAll @IntRange(min = 1, max = 96) int slotMiB) {
        CheckpointLayout same = new CheckpointLayout(layout.files(), List.copyOf(layout.tensors()));

        assertThat(PlanDigest.of(plan(same, fleet, slotMiB)))
                .matches("[0-9a-f]{64}")
                .isEqualTo(PlanDigest.of(plan(layout, fleet, slotMiB)));
    }

    @Property(tries = 100)
    void differentPlansHaveDifferentDigests(@ForAll CheckpointLayout layout, @ForAll Fleet fleet) {
        UpdatePlan plan = plan(layout, fleet, 8);
        UpdatePlan other = plan(layout, fleet, 9);

        assertThat(PlanDigest.of(other)).isNotEqualTo(PlanDigest.of(plan));
    }

    @Example
    void anOwnerWithFewBytesSpreadsThemOverAllRounds() {
        LayoutBuilder layout = new LayoutBuilder();
        for (int i = 0; i < 4; i++) {
            layout.tensor("layers." + i + ".big.weight", 3 * MIB);
        }
        for (int i = 0; i < 8; i++) {
            layout.tensor("layers." + i + ".small.weight", MIB / 4);
        }
        Sharding sharding = new Sharding(List.of(
                new Shard(0, Sharding.wholeTensors(layout.build().tensors()).subList(0, 4)),
                new Shard(1, Sharding.wholeTensors(layout.build().tensors()).subList(4, 12))));
        List<Owner> owners = List.of(new Owner("a", List.of(0)), new Owner("b", List.of(1)));

        UpdatePlan plan = BucketPlanner.plan(layout.build(), sharding, owners, 4 * MIB);

        assertThat(plan.rounds()).isEqualTo(4);
        assertThat(plan.buckets()).extracting(Bucket::owner).containsExactly(0, 1, 0, 1, 0, 1, 0, 1);
        assertThat(plan.buckets().stream().filter(bucket -> bucket.owner() == 1))
                .allSatisfy(bucket -> assertThat(bucket.bytes()).isEqualTo(MIB / 2));
    }

    @Example
    void aTensorLargerThanASlotIsCutIntoEvenPieces() {
        CheckpointLayout layout =
                new LayoutBuilder().tensor("lm_head.weight", 9 * MIB + 5).build();

        UpdatePlan plan = plan(layout, new Fleet(1, false), 8);

        assertThat(slices(plan.buckets()))
                .containsExactly(new Slice(0, 0, 5 * MIB), new Slice(0, 5 * MIB, 9 * MIB + 5));
    }

    @Example
    void manyTinyTensorsAreLimitedByTheirNumber() {
        LayoutBuilder layout = new LayoutBuilder();
        for (int i = 0; i < 40_000; i++) {
            layout.tensor("embeddings.t" + i, 2);
        }

        UpdatePlan plan = plan(layout.build(), new Fleet(1, false), 64);

        assertThat(plan.buckets())
                .hasSize(3)
                .allSatisfy(bucket ->
                        assertThat(bucket.placements()).hasSizeBetween(40_000 / 3 - 1, BucketPlanner.MAX_PLACEMENTS));
    }

    @Example
    void badInputIsRefusedWithItsNumbers() {
        CheckpointLayout layout = new LayoutBuilder().tensor("a.weight", 1).build();
        Sharding sharding = Sharding.of(layout, 2, MIB);
        Owner first = new Owner("w0", List.of(0));

        assertThatThrownBy(() -> BucketPlanner.plan(layout, sharding, List.of(first), MIB))
                .isInstanceOf(PlanException.class)
                .hasMessage("shard 1 has no owner");
        assertThatThrownBy(() ->
                        BucketPlanner.plan(layout, sharding, List.of(first, new Owner("w1", List.of(0, 1))), MIB))
                .isInstanceOf(PlanException.class)
                .hasMessage("shard 0 has two owners, one is worker w1");
        assertThatThrownBy(() -> BucketPlanner.plan(layout, sharding, List.of(new Owner("w1", List.of(2))), MIB))
                .isInstanceOf(PlanException.class)
                .hasMessage("worker w1 owns shard 2 of a checkpoint with 2 shards");
        assertThatThrownBy(() -> BucketPlanner.plan(layout, sharding, List.of(first), 1000))
                .isInstanceOf(PlanException.class)
                .hasMessageContaining("slot size is 1000 bytes");
    }

    private static UpdatePlan plan(CheckpointLayout layout, Fleet fleet, int slotMiB) {
        Sharding sharding = Sharding.of(layout, fleet.shards(), partBytes(layout, fleet));
        return BucketPlanner.plan(layout, sharding, fleet.owners(), slotMiB * MIB);
    }

    private static long partBytes(CheckpointLayout layout, Fleet fleet) {
        return Sharding.balancedPartBytes(layout.bytes(), fleet.shards());
    }

    private static List<Slice> slices(List<Bucket> buckets) {
        return buckets.stream()
                .flatMap(bucket -> bucket.placements().stream())
                .map(Placement::slice)
                .toList();
    }

    private static String module(CheckpointLayout layout, Slice slice) {
        String name = layout.tensors().get(slice.tensor()).name();
        int length = TensorNames.moduleLength(name);
        return length == 0 ? name : name.substring(0, length);
    }
}
