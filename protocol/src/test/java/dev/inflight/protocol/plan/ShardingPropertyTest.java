package dev.inflight.protocol.plan;

import static dev.inflight.protocol.plan.PlanArbitraries.MIB;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.checkpoint.TensorSpec;
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
class ShardingPropertyTest {
    @Property(tries = 300)
    void everyByteIsInExactlyOneShard(
            @ForAll CheckpointLayout layout,
            @ForAll @IntRange(min = 1, max = 40) int count,
            @ForAll @IntRange(min = 1, max = 64) int partMiB) {
        Sharding sharding = Sharding.of(layout, count, partMiB * MIB);

        assertThat(sharding.shards()).extracting(Shard::index).isEqualTo(indexes(count));
        Coverage.assertEveryByteOnce(layout, slices(sharding));
    }

    @Property(tries = 300)
    void onlyTensorsAboveTheLargestPartAreSplit(
            @ForAll CheckpointLayout layout,
            @ForAll @IntRange(min = 1, max = 40) int count,
            @ForAll @IntRange(min = 1, max = 64) int partMiB) {
        Sharding sharding = Sharding.of(layout, count, partMiB * MIB);

        Coverage.assertSplitOnlyAbove(layout, slices(sharding), partMiB * MIB);
    }

    /** The exact guarantee: 5 % of the mean, or the largest unit that may not be split. */
    @Property(tries = 500)
    void shardsAreBalancedAsFarAsUnitsAllow(
            @ForAll CheckpointLayout layout,
            @ForAll @IntRange(min = 1, max = 40) int count,
            @ForAll @IntRange(min = 1, max = 64) int partMiB) {
        Sharding sharding = Sharding.of(layout, count, partMiB * MIB);

        long mean = Math.ceilDiv(layout.bytes(), (long) count);
        long allowed = Math.max(mean / 20, largestUnit(layout, partMiB * MIB));
        assertThat(sharding.shards())
                .allSatisfy(shard -> assertThat(shard.bytes()).isBetween(mean - allowed - 1, mean + allowed));
    }

    @Property(tries = 300)
    void shardsAreWithinFivePercentWithBalancedParts(
            @ForAll CheckpointLayout layout, @ForAll @IntRange(min = 1, max = 40) int count) {
        long part = Sharding.balancedPartBytes(layout.bytes(), count);
        long mean = Math.ceilDiv(layout.bytes(), (long) count);

        Sharding sharding = Sharding.of(layout, count, part);

        if (largestUnit(layout, part) <= mean / 20) {
            assertThat(sharding.shards())
                    .allSatisfy(shard -> assertThat((double) shard.bytes()).isBetween(mean * 0.95 - 1, mean * 1.05));
        }
    }

    @Property(tries = 300)
    void scalesAreInTheShardOfTheirWeight(
            @ForAll CheckpointLayout layout, @ForAll @IntRange(min = 1, max = 40) int count) {
        Map<String, Integer> shardOfStart = shardOfStart(layout, Sharding.of(layout, count, 4 * MIB));

        shardOfStart.forEach((name, shard) -> {
            if (name.endsWith("_scale_inv")) {
                assertThat(shard).as(name).isEqualTo(shardOfStart.get(name.replace("_scale_inv", "")));
            }
        });
    }

    @Property(tries = 300)
    void aModuleOfAtMostFivePercentIsInOneShard(
            @ForAll CheckpointLayout layout, @ForAll @IntRange(min = 1, max = 40) int count) {
        Sharding sharding = Sharding.of(layout, count, MIB);

        long mean = Math.ceilDiv(layout.bytes(), (long) count);
        Map<String, Long> bytes = new HashMap<>();
        layout.tensors().forEach(tensor -> bytes.merge(module(tensor), tensor.bytes(), Long::sum));
        Map<String, Set<Integer>> shards = new HashMap<>();
        for (Shard shard : sharding.shards()) {
            for (Slice slice : shard.slices()) {
                shards.computeIfAbsent(module(layout.tensors().get(slice.tensor())), ignored -> new HashSet<>())
                        .add(shard.index());
            }
        }
        bytes.forEach((module, size) -> {
            if (size <= mean / 20) {
                assertThat(shards.get(module)).as(module).hasSize(1);
            }
        });
    }

    @Property(tries = 50)
    void equalLayoutsGiveEqualShardings(
            @ForAll CheckpointLayout layout, @ForAll @IntRange(min = 1, max = 40) int count) {
        CheckpointLayout same = new CheckpointLayout(layout.files(), List.copyOf(layout.tensors()));

        assertThat(Sharding.of(same, count, MIB)).isEqualTo(Sharding.of(layout, count, MIB));
    }

    @Example
    void modulesOfEqualSizeGoRoundTheShards() {
        LayoutBuilder layout = new LayoutBuilder();
        for (int i = 0; i < 8; i++) {
            layout.tensor("model.layers." + i + ".mlp.weight", 10 * MIB);
        }

        Sharding sharding = Sharding.of(layout.build(), 4, MIB);

        assertThat(sharding.shards().get(1).slices()).extracting(Slice::tensor).containsExactly(1, 5);
    }

    @Example
    void aSplitTensorIsCutIntoAsFewSlicesAsBalanceAllows() {
        CheckpointLayout layout =
                new LayoutBuilder().tensor("lm_head.weight", 100 * MIB).build();

        Sharding sharding = Sharding.of(layout, 4, MIB);

        assertThat(sharding.shards())
                .allSatisfy(shard -> assertThat(shard.slices())
                        .singleElement()
                        .satisfies(slice -> assertThat(slice.bytes()).isEqualTo(25 * MIB)));
    }

    @Example
    void moreShardsThanTensorsLeaveSomeEmpty() {
        CheckpointLayout layout = new LayoutBuilder().tensor("a.weight", 3).build();

        assertThat(Sharding.of(layout, 3, MIB).shards())
                .extracting(Shard::bytes)
                .containsExactly(3L, 0L, 0L);
    }

    @Example
    void anEmptyCheckpointHasEmptyShards() {
        assertThat(Sharding.of(new LayoutBuilder().build(), 2, MIB).shards())
                .extracting(Shard::slices)
                .containsExactly(List.of(), List.of());
    }

    @Example
    void numbersOutOfRangeAreRefused() {
        CheckpointLayout layout = new LayoutBuilder().build();

        assertThatThrownBy(() -> Sharding.of(layout, 0, MIB))
                .isInstanceOf(PlanException.class)
                .hasMessageContaining("shard count is 0");
        assertThatThrownBy(() -> Sharding.of(layout, 1, 1000))
                .isInstanceOf(PlanException.class)
                .hasMessageContaining("largest part is 1000 bytes");
    }

    private static long largestUnit(CheckpointLayout layout, long maxPartBytes) {
        Map<String, Long> units = layout.tensors().stream()
                .collect(Collectors.toMap(
                        tensor -> tensor.name().replace("_scale_inv", ""),
                        tensor -> Math.min(maxPartBytes, tensor.bytes()),
                        Long::sum));
        return units.values().stream().mapToLong(Long::longValue).max().orElse(0);
    }

    private static Map<String, Integer> shardOfStart(CheckpointLayout layout, Sharding sharding) {
        Map<String, Integer> shards = new HashMap<>();
        for (Shard shard : sharding.shards()) {
            for (Slice slice : shard.slices()) {
                if (slice.begin() == 0) {
                    shards.put(layout.tensors().get(slice.tensor()).name(), shard.index());
                }
            }
        }
        return shards;
    }

    private static String module(TensorSpec tensor) {
        int length = TensorNames.moduleLength(tensor.name());
        return length == 0 ? tensor.name() : tensor.name().substring(0, length);
    }

    private static List<Slice> slices(Sharding sharding) {
        return sharding.shards().stream()
                .flatMap(shard -> shard.slices().stream())
                .toList();
    }

    private static List<Integer> indexes(int count) {
        return IntStream.range(0, count).boxed().toList();
    }
}
